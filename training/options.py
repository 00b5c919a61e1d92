"""The options that every trainer takes, so that all of them are started alike."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from training.datasets.fetch import DEFAULT_DATA_DIR

_Decorator = Callable[[Callable[..., None]], Callable[..., None]]
_FOLDER = click.Path(file_okay=False, path_type=Path)
_DECORATORS: tuple[_Decorator, ...] = (
    click.option(
        "--quick", is_flag=True, help="Train in under two minutes, to try things out."
    ),
    click.option(
        "--data-dir",
        type=_FOLDER,
        default=DEFAULT_DATA_DIR,
        envvar="SERVERY_DATA_DIR",
        show_envvar=True,
        help="Where data sets are kept, a folder each.  [default: ~/.cache/servery]",
    ),
    click.option(
        "--artifacts-dir",
        type=_FOLDER,
        default=Path("artifacts"),
        show_default=True,
        help="Where the new version goes: <model>/<next free integer>.",
    ),
    click.option(
        "--epochs", type=click.IntRange(min=1), help="Instead of the recipe's own."
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=1,
        show_default=True,
        help="Of everything random: split, weights, distortions, order.",
    ),
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked of one training run; see `--help` for each."""

    quick: bool
    data_dir: Path
    artifacts_dir: Path
    epochs: int | None
    seed: int


def run_options(trainer: Callable[[RunOptions], None]) -> Callable[..., None]:
    """Give a click command the common options, passed to it as one `RunOptions`."""

    @wraps(trainer)
    def command(**values: Any) -> None:
        trainer(RunOptions(**values))

    decorated: Callable[..., None] = command
    for decorator in reversed(_DECORATORS):
        decorated = decorator(decorated)
    return decorated
