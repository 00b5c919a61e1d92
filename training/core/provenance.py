"""Where a model comes from: the code, the machine, the versions, the arithmetic."""

import importlib.metadata
import math
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from service.contract.manifest import Data, Training

_ROOT = Path(__file__).parents[2]
_LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Run:
    """A training run that has begun.

    Attributes:
        git_commit: of the code that is running.
        seed: of everything random.
        began: monotonic clock, seconds.
    """

    git_commit: str
    seed: int
    began: float

    def finish(
        self, data: tuple[Data, ...], epochs: int, hyperparameters: Mapping[str, Any]
    ) -> Training:
        """Say for the manifest how the weights came to be; the clock stops here."""
        return Training(
            data=data,
            seed=self.seed,
            epochs=epochs,
            seconds=round(time.monotonic() - self.began, 1),
            hardware=describe_hardware(),
            versions=library_versions(),
            git_commit=self.git_commit,
            hyperparameters=dict(hyperparameters),
        )


def begin_run(seed: int) -> Run:
    """Start the clock, and note the commit before anybody edits the code."""
    return Run(git_commit(), seed, time.monotonic())


def git_commit() -> str:
    """Name the commit of the training code, with `+changes` if it was edited since.

    After a long training the files may be others than those that ran: ask before it.
    """
    commit = _git("rev-parse", "HEAD")
    changed = _git(
        "status", "--porcelain", "--", "training", "servery", "service/contract"
    )
    return (commit or "unknown") + ("+changes" if changed else "")


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what the weights become."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **versions}


def describe_hardware() -> str:
    """Say what the machine computes with: `AMD EPYC 7B13, 2 cores`."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    model = models[0].strip() if models else platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"


def count_mflop(model: Any) -> float:
    """Count millions of floating-point operations for one row of a Keras CNN.

    A multiplication and an addition are two operations. Only convolutions and dense
    layers are counted; what lies between them is a few per cent.

    Args:
        model: a built Keras model of Conv2D and Dense layers, fixed image size.
    """
    return sum(_layer_flop(layer) for layer in model.layers) / 1e6


def _layer_flop(layer: Any) -> int:
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    # A transposed convolution lays its kernel on every place of its input. Dense: 1.
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    image = layer.input if transposed else layer.output
    return int(2 * math.prod(image.shape[1:-1]) * math.prod(kernel.shape))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 — whichever git the user has
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
