"""The options that every trainer takes, so that all of them are started alike."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from training.datasets.fetch import DEFAULT_DATA_DIR

_Recipe = TypeVar("_Recipe")
_Decorator = Callable[[Callable[..., None]], Callable[..., None]]
_FOLDER = click.Path(file_okay=False, path_type=Path)
data_dir_option: _Decorator = click.option(
    "--data-dir",
    type=_FOLDER,
    default=DEFAULT_DATA_DIR,
    envvar="SERVERY_DATA_DIR",
    show_envvar=True,
    help="Folder of the data sets.  [default: ~/.cache/servery]",
)
artifacts_dir_option: _Decorator = click.option(
    "--artifacts-dir",
    type=_FOLDER,
    default=Path("artifacts"),
    show_default=True,
    help="Folder of the models; the new version is <model>/<next free integer>.",
)
_DECORATORS: tuple[_Decorator, ...] = (
    click.option(
        "--quick", is_flag=True, help="Train for under two minutes, to try things out."
    ),
    data_dir_option,
    artifacts_dir_option,
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        help="Number of epochs.  [default: the model's own]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=1,
        show_default=True,
        help="Seed of everything random: split, weights, augmentation, order.",
    ),
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked of one training run; `--help` explains each."""

    quick: bool = False
    data_dir: Path = DEFAULT_DATA_DIR
    artifacts_dir: Path = Path("artifacts")
    epochs: int | None = None
    seed: int = 1

    def choose_recipe(self, full: _Recipe, quick: _Recipe) -> _Recipe:
        """Pick one of two recipes, frozen dataclasses, and apply `--epochs` to it."""
        recipe = quick if self.quick else full
        if self.epochs is None:
            return recipe
        return replace(recipe, epochs=self.epochs)  # type: ignore[type-var]


def run_options(trainer: Callable[[RunOptions], None]) -> Callable[..., None]:
    """Give a click command the common options, passed to it as one `RunOptions`."""

    @wraps(trainer)
    def command(**values: Any) -> None:
        trainer(RunOptions(**values))

    decorated: Callable[..., None] = command
    for decorator in reversed(_DECORATORS):
        decorated = decorator(decorated)
    return decorated
