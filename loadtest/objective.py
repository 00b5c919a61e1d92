"""What a load test must show: `p99<50ms,errors<0.1%,digits.goodput>500`.

    objective = condition { "," condition }
    condition = [ workload "." ] figure ( "<" | "<=" | ">" | ">=" ) value
    figure    = "p" number | "mean" | "max"              value in us, ms or s
              | "errors"                                 value in %
              | "rate" | "goodput" | "requests"          a plain number

Where nothing was measured no condition holds: a test without an answer must not pass.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click

from loadtest.summary import ALL, Summary
from loadtest.workloads import WORKLOADS

EXAMPLE = "p99<50ms,errors<0.1%"
_CONDITION = re.compile(
    r"(?:([a-z]+)\.)?(p\d+(?:\.\d+)?|[a-z]+)\s*(<=|>=|<|>)\s*"
    r"(\d+(?:\.\d+)?)\s*(%|[a-z]*)"
)
_SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_LATENCY = {"us": 1e6, "ms": 1e3, "s": 1.0}  # so many make one
_SHARE, _NUMBER = {"%": 100.0}, {"": 1.0}

Measure = Callable[[Summary], float]
_FIGURES: dict[str, tuple[Measure, dict[str, float]]] = {
    "errors": (lambda summary: summary.errors, _SHARE),
    "rate": (lambda summary: summary.rate, _NUMBER),
    "goodput": (lambda summary: summary.goodput, _NUMBER),
    "requests": (lambda summary: summary.requests, _NUMBER),
    "mean": (Summary.mean, _LATENCY),
    "max": (lambda summary: summary.percentile(100), _LATENCY),
}


class ObjectiveError(click.BadParameter):
    """An objective that cannot be read."""

    def __init__(self, text: str, expected: str, received: str):
        super().__init__(
            f"objective: {text!r}: expected {expected}, received {received}"
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of an objective, as `text` says it; `scale` of `unit` make one."""

    text: str
    workload: str
    figure: str
    measure: Measure
    holds: Callable[[float, float], bool]
    bound: float
    unit: str
    scale: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one condition: in seconds, as a share or a number; NaN = nothing measured."""

    condition: Condition
    measured: float

    @property
    def is_kept(self) -> bool:
        """Whether it holds."""
        return self.condition.holds(self.measured, self.condition.bound)

    def __str__(self) -> str:
        condition = self.condition
        shown = f"{self.measured * condition.scale:.4g}{condition.unit}"
        if math.isnan(self.measured):
            shown = "nothing measured"
        return f"{'kept  ' if self.is_kept else 'FAILED'}  {condition.text}: {shown}"


Objective = tuple[Condition, ...]


def parse_objective(text: str) -> Objective:
    """Read an objective, or raise ObjectiveError."""
    return tuple(_parse(part.strip()) for part in text.split(","))


def judge(objective: Objective, summaries: Mapping[str, Summary]) -> list[Verdict]:
    """A verdict on every condition, from the figures by workload and of `all`."""
    found = [(each, summaries.get(each.workload)) for each in objective]
    return [Verdict(c, c.measure(its) if its else math.nan) for c, its in found]


def _parse(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ObjectiveError(text, f"conditions such as {EXAMPLE}", repr(text))
    workload, figure, sign, number, unit = found.groups()
    if workload is not None and workload not in WORKLOADS:
        expected = f"one of {', '.join(WORKLOADS)} before the dot"
        raise ObjectiveError(text, expected, repr(workload))
    measure, units = _FIGURES.get(figure) or _percentile(figure, text)
    if unit not in units:
        expected = "a plain number" if units is _NUMBER else " or ".join(units)
        raise ObjectiveError(text, f"{figure} as {expected}", number + unit)
    scale, holds = units[unit], _SIGNS[sign]
    bound, about = float(number) / scale, workload or ALL
    return Condition(text, about, figure, measure, holds, bound, unit, scale)


def _percentile(name: str, text: str) -> tuple[Measure, dict[str, float]]:
    if not re.match(r"p\d", name):
        known = ", ".join(_FIGURES)
        raise ObjectiveError(text, f"p50, p99 and the like or {known}", repr(name))
    percent = float(name[1:])
    if not 0 < percent <= 100:
        raise ObjectiveError(text, "p1 to p100", name)
    return lambda summary: summary.percentile(percent), _LATENCY
