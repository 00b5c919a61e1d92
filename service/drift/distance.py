"""How far one mix is from another: the population stability index, and its chance.

PSI = Σ (p - q) ln(p / q), the sum of both Kullback-Leibler divergences; below 0.1 is
held to be the same, above 0.25 another population (Siddiqi, Credit Risk Scorecards,
2006). Of two samples of one population it is (1/n + 1/m) χ² with one degree of freedom
less than there are groups (Yurdakul and Naranjo, Journal of Risk Model Validation 14,
2020): with few rows in either it is large by chance alone.

Half a row of the smaller sample is added to each group of both, so that a group which
is empty has a logarithm, and one that is empty in both says nothing. The same is
computed by `deploy/prometheus/rules/recording.yml`.
"""

import math
from collections.abc import Sequence

MOVED = 0.25
LEAST_ROWS = 200  # fewer say nothing
QUANTILE = 3.09  # of the standard normal distribution: 99.9 %


def psi(
    found: Sequence[float], expected: Sequence[float], rows: float, expected_rows: float
) -> float:
    """The population stability index of two mixes.

    Args:
        found: The share of each group.
        expected: Likewise, in the same order.
        rows: Of which the shares are.
        expected_rows: Likewise.
    """
    added = 0.5 / min(rows, expected_rows)
    whole = 1 + added * len(found)
    pairs = [
        ((one + added) / whole, (other + added) / whole)
        for one, other in zip(found, expected, strict=True)
    ]
    return sum((one - other) * math.log(one / other) for one, other in pairs)


def critical_psi(rows: float, expected_rows: float, groups: int) -> float:
    """What the index of two samples of one population exceeds once in 1,000 times.

    Wilson and Hilferty's approximation of the quantile of χ² (1931).
    """
    freedom = max(1, groups - 1)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + QUANTILE * math.sqrt(spread)) ** 3
    return (1 / rows + 1 / expected_rows) * quantile
