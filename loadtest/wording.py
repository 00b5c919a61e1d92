"""Figures as people read them."""

import math
from collections.abc import Mapping

from loadtest.results import OK

MIB = 2**20


def milliseconds(seconds: float) -> str:
    """Three figures, and a dash where nothing was measured."""
    return "–" if math.isnan(seconds) else plain(1000 * seconds)


def percent(share: float) -> str:
    """A share of 1, and a dash where nothing was measured."""
    return "–" if math.isnan(share) else f"{100 * share:.3g} %"


def plain(value: float) -> str:
    """Three figures, or all before the point."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def failures(outcomes: Mapping[str, int]) -> str:
    """What was not answered 200, by kind."""
    kinds = [f"{count:,} × {kind}" for kind, count in outcomes.items() if kind != OK]
    return ", ".join(kinds) or "none"


def memory(samples: tuple[tuple[float, float], ...]) -> str:
    """From the first to the last, and the most."""
    sizes = [size / MIB for _, size in samples]
    return f"{sizes[0]:,.0f} → {sizes[-1]:,.0f} MiB, at most {max(sizes):,.0f}"
