"""Rows to answers to an output, until all are there or something ends it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from servery.client.client import Client, Outcome
from servery.errors import (
    AccessRefused,
    ConnectionFailed,
    NotFound,
    ServeryError,
)
from servery.files.output import Output
from servery.files.rows import Row, Rows

ENDINGS = (AccessRefused, ConnectionFailed, NotFound)  # which all others would meet too


@dataclass(slots=True)
class Course:
    """How it went.

    Attributes:
        answered: Rows that were written.
        failed: Those of them that are errors.
        ending: Why it ended before its end; None: it did not.
        was_interrupted: Whether somebody ended it.
    """

    answered: int = 0
    failed: int = 0
    ending: ServeryError | None = None
    was_interrupted: bool = False


def write_answers(
    client: Client, model: str, rows: Rows, output: Output, **options: Any
) -> Course:
    """Write the outcome of each row as it comes; the output is closed in any case.

    Args:
        client: Of the service.
        model: Its name.
        rows: What is asked.
        output: Where the outcomes go.
        options: Of `Client.predict_each`.
    """
    course = Course()
    try:
        for row, outcome in _answer(client, model, rows, options):
            if isinstance(outcome, ENDINGS):
                course.ending = outcome
                break
            output.write(row, outcome)
            course.answered += 1
            course.failed += isinstance(outcome, ServeryError)
    except KeyboardInterrupt:
        course.was_interrupted = True
    finally:
        output.close()
    return course


def _answer(
    client: Client, model: str, rows: Rows, options: dict[str, Any]
) -> Iterator[tuple[Row, Outcome]]:
    taken = _Taken(rows)
    for outcome in client.predict_each(model, taken, return_errors=True, **options):
        yield taken.rows.popleft(), outcome


class _Taken:
    """Gives what is in rows, and keeps these until they are answered."""

    def __init__(self, rows: Rows):
        self.rows: deque[Row] = deque()
        self._all = rows

    def __iter__(self) -> Iterator[Any]:
        for row in self._all.each:
            self.rows.append(row)
            yield row.given

    def __length_hint__(self) -> int:
        return NotImplemented if self._all.total is None else self._all.total
