"""The files that `ModelFiles` wrote, read back and summed up by version."""

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from service.contract.task import SERVING
from service.drift.files import ENDING, OLD

Key = tuple[str, int]

MOST_LINE_BYTES = 256 * 1024 * 1024
MOST_VALUES = 100_000  # of a column that are kept
MOST_COLUMNS = 1024  # of a version
SAID = ("mean", "deviation", "bytes")  # of what is not written down as it is


@dataclass(slots=True)
class Recorded:
    """What was recorded of one version.

    Attributes:
        counts: Rows by label.
        scores: Sum of the labels' scores, and how many there are.
        columns: By input, or what is said of it: numbers or words.
        since: When the first row was.
        until: The last.
    """

    counts: Counter[str] = field(default_factory=Counter)
    scores: tuple[float, int] = (0.0, 0)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    since: str = ""
    until: str = ""

    @property
    def confidence(self) -> float | None:
        """The mean score of the label."""
        total, number = self.scores
        return total / number if number else None

    def add(self, row: dict[str, Any]) -> None:
        """Take up one row."""
        self.counts[str(row["label"])] += 1
        score = row.get("confidence")
        if isinstance(score, int | float):
            self.scores = self.scores[0] + score, self.scores[1] + 1
        when = str(row.get("time", ""))
        self.since = min(filter(None, (self.since, when)), default="")
        self.until = max(self.until, when)
        inputs = row.get("inputs")
        for name, value in _columns(inputs if isinstance(inputs, dict) else {}):
            if name not in self.columns and len(self.columns) >= MOST_COLUMNS:
                continue
            values = self.columns.setdefault(name, [])
            if len(values) < MOST_VALUES:
                values.append(value)


def read_records(
    folder: Path, model: str | None, since: datetime | None = None
) -> tuple[dict[Key, Recorded], dict[str, int]]:
    """What was recorded, by version; by model, the lines that could not be read.

    Args:
        folder: As the settings name it.
        model: The only one that is read.
        since: Of the first row that counts, with its zone.

    Raises:
        OSError: The folder cannot be read.
    """
    found: defaultdict[Key, Recorded] = defaultdict(Recorded)
    unreadable: Counter[str] = Counter()
    for home in sorted(each for each in folder.iterdir() if each.is_dir()):
        if model not in (None, home.name):
            continue
        for row in _read_folder(home):
            if row is None or not _is_row(row, home.name):
                unreadable[home.name] += 1
            elif _counts(row, since):
                found[home.name, row["version"]].add(row)
    return dict(found), dict(unreadable)


def _read_folder(home: Path) -> Iterator[Any]:
    """Each line of the files of a model; None where it is no JSON."""
    names = sorted(each.name for each in home.iterdir())
    for name in names:
        if not name.removesuffix(OLD).endswith(ENDING):
            continue
        try:
            number = os.open(home / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # a link, or no more there
            continue
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                continue
            while line := file.readline(MOST_LINE_BYTES):
                try:
                    yield from_json(line)
                except ValueError:
                    yield None


def _is_row(row: Any, model: str) -> bool:
    return (
        isinstance(row, dict)
        and row.get("model") == model
        and isinstance(row.get("version"), int)
    )


def _counts(row: dict[str, Any], since: datetime | None) -> bool:
    """Whether a row is an answer that has a label, and not too old."""
    is_answer = "label" in row and row.get("signature") == SERVING
    return is_answer and (since is None or _is_after(row, since))


def _is_after(row: dict[str, Any], since: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(row.get("time"))) >= since
    except (ValueError, TypeError):
        return False


def _columns(inputs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What can be compared of a row's inputs: numbers and words, by name."""
    for name, value in inputs.items():
        if isinstance(value, dict):
            for said in SAID:
                if isinstance(value.get(said), int | float):
                    yield f"{name}.{said}", value[said]
        elif isinstance(value, list):
            for at, each in enumerate(value):
                if isinstance(each, int | float | str):
                    yield f"{name}[{at}]", each
        elif isinstance(value, int | float | str):
            yield name, value
