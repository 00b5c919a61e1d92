"""How far a version's answers are from training's: in numbers, and as text."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from service.contract.reference import Reference
from service.drift.distance import LEAST_ROWS, MOVED, critical_psi, psi

SLIGHT = 0.1  # of the index, below which nothing has happened
LEAST_REFERENCE_ROWS = 50  # for a mean to be compared with
MOST_CONFIDENCE = 0.1  # that it may differ by
MOST_NAMES = 20  # of labels in a text, the most frequent


@dataclass(frozen=True, slots=True)
class Group:
    """One label, or one interval of values.

    Attributes:
        name: Of it.
        rows: Predictions that gave it.
        ratio: Their share.
        expected: That of training, where it is known.
    """

    name: str
    rows: int
    ratio: float
    expected: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """One input, or a number that is said of one, beside training's.

    Attributes:
        name: Of it.
        rows: How many have been recorded.
        psi: Its distance from training's.
        critical: What that exceeds by chance once in 1,000 times.
        mean: Of it, if it is a number; and of training's.
    """

    name: str
    rows: int
    psi: float
    critical: float
    mean: float | None = None
    expected_mean: float | None = None

    @property
    def verdict(self) -> str:
        """What the index says, in words."""
        return _judge(self.rows, self.psi, self.critical)


@dataclass(frozen=True, slots=True)
class Report:
    """One version's answers, beside training's.

    Attributes:
        model: Its name.
        version: Its number.
        rows: Predictions that were counted.
        groups: Labels or intervals, in the order of the model.
        psi: The population stability index of the mix; None: training's is not known.
        critical: What that exceeds by chance once in 1,000 times.
        confidence: Mean score of the label that was given.
        expected_confidence: Likewise, in training.
        reference_rows: Predictions of training that are known.
        source: Where those are from, or why there are none.
        since: When the first of the rows was, if that is known.
        until: The last.
        columns: What was recorded of inputs.
        unreadable: Lines of the files that could not be read.
    """

    model: str
    version: int
    rows: int
    groups: tuple[Group, ...]
    psi: float | None
    critical: float | None
    confidence: float | None
    expected_confidence: float | None
    reference_rows: int
    source: str
    since: str = ""
    until: str = ""
    columns: tuple[Column, ...] = field(default=())
    unreadable: int = 0

    @property
    def verdict(self) -> str:
        """What the index says, in words."""
        if self.psi is None or self.critical is None:
            return "nothing to compare with"
        return _judge(self.rows, self.psi, self.critical)

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        columns = [asdict(each) | {"verdict": each.verdict} for each in self.columns]
        return asdict(self) | {"verdict": self.verdict, "columns": columns}


def compare(
    model: str,
    version: int,
    reference: Reference | None,
    counts: Mapping[str, int],
    confidence: float | None,
    **more: Any,
) -> Report:
    """A version's counts beside its reference.

    Args:
        model: Its name.
        version: Its number.
        reference: What it answered in training, as far as that is known.
        counts: Predictions by group.
        confidence: Mean score of the label that was given.
        more: What else is said of it.
    """
    names = reference.groups if reference is not None else ()
    names = (*names, *(each for each in counts if each not in names))
    total = sum(counts.values())
    ratios = [counts.get(name, 0) / total if total else 0.0 for name in names]
    known = reference is not None and bool(reference.ratios)
    expected: list[float | None] = [None] * len(names)
    distance = critical = None
    if reference is not None and known:
        stated = [*reference.ratios, *([0.0] * (len(names) - len(reference.ratios)))]
        expected = list(stated)
        if total:
            distance = psi(ratios, stated, total, reference.rows)
            critical = critical_psi(total, reference.rows, len(names))
    groups = [
        Group(name, counts.get(name, 0), ratio, wanted)
        for name, ratio, wanted in zip(names, ratios, expected, strict=True)
    ]
    return Report(
        model=model,
        version=version,
        rows=total,
        groups=tuple(groups),
        psi=distance,
        critical=critical,
        confidence=confidence,
        expected_confidence=reference.confidence if reference is not None else None,
        reference_rows=reference.rows if reference is not None else 0,
        source=reference.source
        if reference is not None
        else "its answers are not "
        "counted: it has no labels, or no samples of its values",
        **more,
    )


def tell(report: Report) -> Iterator[str]:
    """A report's lines."""
    when = f", {report.since[:19]} to {report.until[:19]}" if report.since else ""
    yield f"{report.model} {report.version}: {report.rows:,} predictions{when}"
    if report.reference_rows:
        yield f"  compared with {report.source}"
    else:
        yield f"  no reference: {report.source}"
    yield from _tell_groups(report)
    if report.rows < LEAST_ROWS:
        yield f"  too few rows to tell: {LEAST_ROWS} are needed"
        return
    if report.psi is not None and report.critical is not None:
        yield (
            f"  labels: PSI {report.psi:.3f}, {report.verdict} (by chance up to "
            f"{report.critical:.3f}; beyond {MOVED} it is another population)"
        )
    yield from _tell_confidence(report)
    for column in report.columns:
        means = ""
        if column.mean is not None and column.expected_mean is not None:
            means = f", mean {column.mean:.4g}, in training {column.expected_mean:.4g}"
        yield (
            f"  input {printable(column.name)}: PSI {column.psi:.3f}, "
            f"{column.verdict}{means}"
        )
    if report.unreadable:
        yield f"  {report.unreadable:,} lines could not be read"


def printable(text: str) -> str:
    """A name that somebody else gave, as a terminal may get it."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def _tell_groups(report: Report) -> Iterator[str]:
    shown = [each for each in report.groups if each.rows or each.expected]
    often = sorted(shown, key=lambda each: -max(each.ratio, each.expected or 0.0))
    often = [each for each in shown if each in often[:MOST_NAMES]]
    if not report.rows or not often:
        return
    width = max(5, *(len(printable(each.name)) for each in often))
    yield f"  {'label':{width}}     now  training"
    for each in often:
        wanted = "       ?" if each.expected is None else f"{each.expected:8.1%}"
        yield f"  {printable(each.name):{width}} {each.ratio:7.1%}  {wanted}"
    if len(often) < len(shown):
        yield f"  … and {len(shown) - len(often)} more"


def _tell_confidence(report: Report) -> Iterator[str]:
    if report.confidence is None:
        return
    line = f"  confidence: {report.confidence:.3f}"
    expected = report.expected_confidence
    if expected is None:
        yield line
        return
    line += f", in training {expected:.3f}"
    if report.reference_rows < LEAST_REFERENCE_ROWS:
        line += ", too few to tell"
    elif abs(report.confidence - expected) > MOST_CONFIDENCE:
        line += ", another one"
    yield line


def _judge(rows: int, distance: float, critical: float) -> str:
    if distance <= SLIGHT:
        return "as in training"
    if rows < LEAST_ROWS or distance <= critical:
        return "too few rows to tell"
    return "another population" if distance > MOVED else "moved a little"
