"""A progress bar for many inputs, by tqdm or rich, whichever is installed."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import Any

Advance = Callable[[list[Any]], Iterator[Any]]


@contextmanager
def show_progress(
    title: str, total: int | None, *, wanted: bool | None
) -> Iterator[Advance]:
    """Show how far it has come, on stderr.

    Args:
        title: What is done.
        total: How many there are, if that is known.
        wanted: None shows it on a terminal.

    Yields:
        Gives one after the other of a list, and counts each.
    """
    with _open_bar(title, total, wanted=wanted) as advance:

        def each(several: list[Any]) -> Iterator[Any]:
            for one in several:
                advance()
                yield one

        yield each


@contextmanager
def _open_bar(
    title: str, total: int | None, *, wanted: bool | None
) -> Iterator[Callable[[], Any]]:
    shown = sys.stderr.isatty() if wanted is None else wanted
    if shown and importlib.util.find_spec("tqdm"):
        from tqdm.auto import tqdm

        with tqdm(desc=title, total=total) as bar:
            yield bar.update
    elif shown and importlib.util.find_spec("rich"):
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task(title, total=total)
            yield lambda: progress.advance(task)
    else:
        yield lambda: None


def count(given: Any) -> int | None:
    """How many there are; None where that is seen only in the end."""
    known = length_hint(given, -1)
    return None if known < 0 else known
