"""What drills found, as JSON: a page is made of it, and one drill is repeated alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tables import figure, table

Data = dict[str, Any]
"""Of one drill, as JSON has it: what its part of the page is made of."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of a table: something that was measured or counted."""

    what: str  # with its unit
    value: float | str  # a text says more than one thing
    promised: str = ""  # what had to come of it; empty: nothing was promised
    kept: bool = True  # whether that did

    def cells(self) -> tuple[str, str]:
        """As the table shows it."""
        if isinstance(self.value, str):
            shown = self.value
        else:
            whole = float(self.value).is_integer()
            shown = f"{self.value:,.0f}" if whole else figure(self.value)
        if not self.promised:
            return self.what, shown
        verdict = "kept" if self.kept else "**missed**"
        return f"{self.what} (promised: {self.promised})", f"{shown}, {verdict}"


def none_of(what: str, counted: float) -> Figure:
    """Something that must not happen at all."""
    return Figure(what, counted, "0", counted == 0)


def at_most(what: str, value: float, most: float) -> Figure:
    """Something that is to stay small."""
    return Figure(what, value, f"at most {most:g}", value <= most)


@dataclass(frozen=True, slots=True)
class Found:
    """What a drill found, beside what only its own part of the page understands."""

    figures: Sequence[Figure]
    more: Data = field(default_factory=dict)

    def to_json(self) -> Data:
        """See `Data`."""
        return {"figures": [asdict(each) for each in self.figures], **self.more}


def show(*columns: Data, head: Sequence[str] = ("", "")) -> str:
    """The figures of one drill, or of several that have the same, as a table."""
    cells = [[Figure(**each).cells() for each in data["figures"]] for data in columns]
    rows = [
        [line[0][0], *(each[1] for each in line)] for line in zip(*cells, strict=True)
    ]
    return table(head, rows)


def missed(data: Data) -> list[str]:
    """The promises that were not kept, as the page says it."""
    figures = [Figure(**each) for each in data["figures"]]
    return [": ".join(each.cells()) for each in figures if not each.kept]


class Kept:
    """The figures of all drills in one file, by their names: each drill's last.

    Args:
        path: Of the file, which need not be there.
    """

    def __init__(self, path: Path):
        self._path = path
        self.drills: dict[str, Data] = (
            json.loads(path.read_text("utf-8")) if path.exists() else {}
        )

    def put(self, name: str, data: Data, *, write: bool) -> None:
        """Remember what a drill found; `write`: in the file too, at once."""
        self.drills[name] = data
        if write:
            text = json.dumps(self.drills, indent=1, ensure_ascii=False) + "\n"
            self._path.write_text(text, encoding="utf-8")
