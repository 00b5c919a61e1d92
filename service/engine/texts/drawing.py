"""Which symbol comes next: logits, a temperature and a random number → a symbol."""

import numpy as np
import numpy.typing as npt

WHOLE = 2.0**40  # weights are whole multiples of 1 / WHOLE, so sums are exact

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def draw(
    logits: npt.NDArray[np.int32],
    unit: float,
    temperatures: Floats,
    most: npt.NDArray[np.int64],
    randoms: Floats,
) -> tuple[Whole, Floats]:
    """Draw a symbol for each row, which depends on nothing but its row.

    Weights are rounded to whole numbers: their sums are exact in any order, and the
    last digit of a processor's exponential decides nothing.

    Args:
        logits: (rows, symbols) int32, whole numbers of `unit`.
        unit: Of a natural logarithm.
        temperatures: (rows,) at least 0; 0 = always the likeliest.
        most: (rows,) so many of the likeliest are drawn from; at least 1.
        randoms: (rows,) in [0, 1).

    Returns:
        The symbols (rows,), of equals the first; and the natural logarithms of their
        probabilities (rows,), at a temperature of 0 those at 1.
    """
    rows, symbols = logits.shape
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    exact *= unit
    are_greedy = temperatures == 0
    divisors = np.where(are_greedy, 1.0, temperatures)[:, None]
    with np.errstate(over="ignore"):  # far from the best one is as good as never
        weights = np.rint(np.exp(exact / divisors) * WHOLE)
    if (most < symbols).any():
        weights[_ranks(logits) >= most[:, None]] = 0.0
    sums = np.cumsum(weights, axis=1)
    totals = sums[:, -1]
    drawn = (sums <= np.floor(randoms * totals)[:, None]).sum(axis=1)
    if are_greedy.any():
        drawn = np.where(are_greedy, logits.argmax(axis=1), drawn)
    chosen = weights[np.arange(rows), drawn]
    return drawn, np.log(chosen / totals)


def _ranks(logits: npt.NDArray[np.int32]) -> Whole:
    """Of each symbol in its row, 0 for the likeliest; of equals the first is before."""
    order = np.argsort(-logits.astype(np.int64), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(logits.shape[1])[None], axis=1)
    return ranks
