"""Numbers with units, as people write and read them."""

import math
import re

import click

MIB = 2**20
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def parse_duration(text: str) -> float:
    """Seconds, from 500ms, 10s, 2m or 1h, else BadParameter; a number is seconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"expected 500ms, 10s, 2m or 1h, received {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


def milliseconds(seconds: float) -> str:
    """Three digits, and a dash where nothing was measured."""
    return plain(1000 * seconds)


def percent(share: float) -> str:
    """A share of 1, and a dash where nothing was measured."""
    return "–" if math.isnan(share) else f"{100 * share:.3g} %"


def plain(value: float) -> str:
    """Three digits, or all those before the point; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
