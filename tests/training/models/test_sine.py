"""The sine: trained by one file, served by none."""

from pathlib import Path

import keras
import numpy as np
import pytest

from service.contract.contract import from_manifest
from service.contract.integrity import verify_files
from service.contract.manifest import read_manifest
from service.engine.compute.tensorflow_runtime import TensorFlowRuntime
from training.core.options import RunOptions
from training.models.sine import train as sine

SHIPPED = Path(__file__).parents[3] / "artifacts" / "sine" / "2"


def ask(folder: Path, x: np.ndarray) -> np.ndarray:
    contract = from_manifest(read_manifest(folder))
    model = TensorFlowRuntime("cpu", 1).load(folder, contract)
    return np.asarray(model.run("serving_default", (x,))[0])


def test_it_learns_from_a_handful_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sine, "ROWS", 200)
    monkeypatch.setattr(sine, "make_repeatable", keras.utils.set_random_seed)

    sine.train(RunOptions(artifacts_dir=tmp_path, epochs=5))

    figures = read_manifest(tmp_path / "sine" / "1").metrics["test"]
    assert figures["mean_absolute_error"] < 0.5


def test_the_shipped_figures_are_those_of_the_shipped_model() -> None:
    manifest = read_manifest(SHIPPED)
    verify_files(SHIPPED, manifest)
    x = np.linspace(-np.pi, np.pi, manifest.metrics["test"]["rows"], dtype=np.float32)

    errors = np.abs(ask(SHIPPED, x) - np.sin(x))

    said = manifest.metrics["test"]
    assert errors.mean() == pytest.approx(said["mean_absolute_error"], abs=1e-5)
    assert errors.max() == pytest.approx(said["largest_error"], abs=1e-4)
    assert errors.max() < 0.02


def test_beyond_what_it_learnt_from_it_does_not_repeat() -> None:
    (beyond,) = ask(SHIPPED, np.array([2.5 * np.pi], np.float32))

    assert abs(beyond - 1) > 0.5  # as its limits say
