"""What a load test must show: `p99<50ms,errors<0.1%,digits.goodput>500`.

    objective = condition { "," condition }
    condition = [ workload "." ] figure ( "<" | "<=" | ">" | ">=" ) value
    figure    = latency | "errors" | "rate" | "goodput" | "requests"
    latency   = "p" number | "mean" | "max"
    value     = number "us" | number "ms" | number "s"   for a latency
              | number "%"                               for errors
              | number                                   for the others

Nothing measured keeps no condition: a test without an answer must not pass.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtest.summary import ALL, Summary
from loadtest.workloads import WORKLOADS

_CONDITION = re.compile(
    r"(?:(?P<workload>[a-z]+)\.)?"
    r"(?P<figure>p\d+(?:\.\d+)?|[a-z]+)"
    r"\s*(?P<sign><=|>=|<|>)\s*"
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|[a-z]*)"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SECONDS = {"us": 1e6, "ms": 1e3, "s": 1.0}  # so many make one
_SHARES = {"%": 100.0}
_PLAIN = {"": 1.0}
_FIGURES: dict[str, Callable[[Summary], float]] = {
    "errors": lambda summary: summary.errors,
    "rate": lambda summary: summary.rate,
    "goodput": lambda summary: summary.goodput,
    "requests": lambda summary: float(summary.requests),
    "mean": Summary.mean,
    "max": lambda summary: summary.percentile(100),
}
EXAMPLE = "p99<50ms,errors<0.1%"


class ObjectiveError(ValueError):
    """An objective that cannot be read."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of an objective.

    Attributes:
        text: As it was given.
        workload: Of which the figure is, or `all`.
        figure: Its name.
        sign: Of the comparison.
        bound: In seconds, a share, requests or requests a second.
        unit: In which the bound was given.
    """

    text: str
    workload: str
    figure: str
    sign: str
    bound: float
    unit: str

    def measure(self, summaries: Mapping[str, Summary]) -> float:
        """What was measured, as `bound` is; NaN if nothing was."""
        summary = summaries.get(self.workload)
        if summary is None:
            return float("nan")
        if self.figure in _FIGURES:
            return _FIGURES[self.figure](summary)
        return summary.percentile(float(self.figure[1:]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one condition."""

    condition: Condition
    measured: float

    @property
    def is_kept(self) -> bool:
        """Whether it holds; never where nothing was measured."""
        return _SIGNS[self.condition.sign](self.measured, self.condition.bound)

    def __str__(self) -> str:
        condition = self.condition
        kind = _units(condition.figure)
        shown = f"{self.measured * kind[condition.unit]:.4g}{condition.unit}"
        if self.measured != self.measured:  # NaN
            shown = "nothing measured"
        return f"{'kept  ' if self.is_kept else 'FAILED'}  {condition.text}: {shown}"


Objective = tuple[Condition, ...]


def parse_objective(text: str) -> Objective:
    """Read an objective.

    Raises:
        ObjectiveError: Says which condition is wrong, and what is expected.
    """
    return tuple(_parse(part.strip()) for part in text.split(","))


def judge(objective: Objective, summaries: Mapping[str, Summary]) -> list[Verdict]:
    """What became of every condition.

    Args:
        objective: The conditions.
        summaries: By workload, and `all`.
    """
    return [Verdict(each, each.measure(summaries)) for each in objective]


def _parse(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ObjectiveError(
            f"objective: expected conditions such as {EXAMPLE}, received {text!r}"
        )
    workload, figure, sign, number, unit = found.groups()
    if workload is not None and workload not in WORKLOADS:
        raise ObjectiveError(
            f"objective: {text!r}: expected one of {', '.join(WORKLOADS)} before the "
            f"dot, received {workload!r}"
        )
    units = _units(figure, text)
    if unit not in units:
        expected = "a plain number" if units is _PLAIN else " or ".join(units)
        raise ObjectiveError(
            f"objective: {text!r}: expected {figure} as {expected}, "
            f"received {number}{unit}"
        )
    return Condition(
        text, workload or ALL, figure, sign, float(number) / units[unit], unit
    )


def _units(figure: str, text: str = "") -> dict[str, float]:
    """The units that a figure may be given in, and how many make one."""
    if figure in ("mean", "max"):
        return _SECONDS
    if figure[0] == "p" and figure[1:2].isdigit():
        if not 0 < float(figure[1:]) <= 100:
            raise ObjectiveError(f"objective: {text!r}: expected p1 to p100")
        return _SECONDS
    if figure not in _FIGURES:
        raise ObjectiveError(
            f"objective: {text!r}: expected p50, p99 and the like or "
            f"{', '.join(_FIGURES)}, received {figure!r}"
        )
    return _SHARES if figure == "errors" else _PLAIN
