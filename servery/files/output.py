"""Answers as they come: a table for people, CSV, JSON or JSON Lines."""

import csv
import json
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from servery.client.answers import Class, Model, Prediction
from servery.client.client import Outcome
from servery.errors import ServeryError
from servery.files.rows import Row

BAR = 32  # characters of a probability of 1
SHOWN_CLASSES = 5
NAME_WIDTH, LABEL_WIDTH = 40, 24


class Output(Protocol):
    """Where answers go. What was written stays, whatever happens next."""

    def write(self, row: Row, outcome: Outcome) -> None:
        """Write the outcome of one row."""

    def close(self) -> None:
        """Write what belongs at the end."""


class Table:
    """Lines for people; a lone answer is drawn."""

    def __init__(
        self, file: TextIO, model: Model, top_k: int | None, total: int | None
    ):
        self._file, self._top_k, self._is_alone = file, top_k, total == 1

    def write(self, row: Row, outcome: Outcome) -> None:
        """Write a line, or the picture of a lone answer."""
        name = printable(row.name)
        if isinstance(outcome, ServeryError):
            text = f"{name:<{NAME_WIDTH}}  error: {printable(outcome.message)}"
        elif self._is_alone and outcome.label is not None:
            text = draw(name, outcome, self._top_k or SHOWN_CLASSES)
        else:
            text = f"{name:<{NAME_WIDTH}}  {self._line(outcome)}".rstrip()
        self._file.write(text + "\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing is left to write."""

    def _line(self, prediction: Prediction) -> str:
        if prediction.label is None:
            return str(prediction)
        shown = prediction.classes[: self._top_k or 1] or (
            Class(prediction.label, prediction.score or 0),
        )
        if self._top_k is None or len(shown) == 1:
            percent = "" if prediction.score is None else _percent(prediction.score)
            return f"{printable(prediction.label):<{LABEL_WIDTH}} {percent}"
        return "  ".join(f"{printable(e.label)} {_percent(e.score)}" for e in shown)


class Csv:
    """A CSV file: the columns that came, and those of the answer behind them."""

    def __init__(
        self, file: TextIO, model: Model, top_k: int | None, columns: Sequence[str]
    ):
        self._file, self._top_k = file, top_k
        self._columns = tuple(columns)
        is_number = (model.task or "").endswith("regression")
        answer = ["value"] if is_number else ["label", "score"]
        for place in range(2, (top_k or 1) + 1):
            answer += [f"label_{place}", f"score_{place}"]
        self._answer = [*answer, "error"]
        self._writer = csv.writer(file, lineterminator="\n")
        taken = set(self._columns)
        names = [f"predicted_{n}" if n in taken else n for n in self._answer]
        self._writer.writerow([*(self._columns or ["input"]), *names])
        file.flush()

    def write(self, row: Row, outcome: Outcome) -> None:
        """Write a line."""
        before = [row.columns.get(each, "") for each in self._columns] or [row.name]
        found = self._cells(outcome)
        self._writer.writerow(
            [*before, *(found.get(each, "") for each in self._answer)]
        )
        self._file.flush()

    def close(self) -> None:
        """Nothing is left to write."""

    def _cells(self, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, ServeryError):
            return {"error": outcome.message}
        cells = {
            "label": outcome.label,
            "score": outcome.score,
            "value": outcome.value,
        }
        for place, each in enumerate(outcome.classes[: self._top_k or 1], 1):
            if place > 1:
                cells |= {f"label_{place}": each.label, f"score_{place}": each.score}
        return cells


class Json:
    """An array of objects, or one object a line; with all that the model says."""

    def __init__(self, file: TextIO, *, lines: bool):
        self._file, self._lines = file, lines
        self._between = "" if lines else "[\n"

    def write(self, row: Row, outcome: Outcome) -> None:
        """Write an object."""
        said: dict[str, Any] = {"input": row.name}
        if row.columns:
            said["columns"] = dict(row.columns)
        said |= _describe(outcome)
        self._file.write(self._between + json.dumps(said, ensure_ascii=False))
        self._between = "\n" if self._lines else ",\n"
        self._file.flush()

    def close(self) -> None:
        """End the array, also where it is cut short."""
        if self._lines:
            self._file.write("" if self._between == "" else "\n")
        else:
            self._file.write("[]\n" if self._between == "[\n" else "\n]\n")


def draw(name: str, prediction: Prediction, most: int) -> str:
    """What one input is, with a bar for each class that it may be."""
    label, score = printable(prediction.label or ""), prediction.score
    classes = prediction.classes[:most]
    if not classes and score is not None:
        classes = (Class(label, score),)
    lines = [f"{name} is {_article(label)}{label}", ""]
    width = max((len(printable(each.label)) for each in classes), default=0)
    for each in classes:
        bar = "█" * round(BAR * each.score)
        lines.append(f"  {printable(each.label):<{width}}  {bar:<{BAR}} "
                     f"{_percent(each.score)}")  # fmt: skip
    return "\n".join(lines)


def printable(text: str) -> str:
    """A text that does nothing to a terminal, whatever a file is called."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def _describe(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, ServeryError):
        facts = {"error": outcome.message, "code": outcome.code}
        return {**facts, "request_id": outcome.request_id}
    return {
        "model": outcome.model,
        "version": outcome.version,
        "label": outcome.label,
        "score": outcome.score,
        "value": outcome.value,
        "prediction": outcome.raw,
    }


def _article(label: str) -> str:
    """Digits are spoken of as things: an 8, a 7."""
    if not label.isdecimal():
        return ""
    return "an " if label == "8" else "a "


def _percent(score: float) -> str:
    return f"{100 * score:6.2f} %"
