"""The mammogram trainer, in small; and the predictor that we ship."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from sklearn.ensemble import RandomForestClassifier

from service.manifest import Manifest, read_manifest, verify_files
from training.__main__ import cli
from training.core.crossval import Plan
from training.core.tabular import Ensemble, Penalty
from training.datasets import masses
from training.models.mammogram import card
from training.models.mammogram import train as mammogram

SHIPPED = Path(__file__).parents[3] / "artifacts" / "mammogram" / "1"
SAMPLE = Path(__file__).parents[2] / "data" / "masses_sample.csv"
TINY = mammogram.Recipe(
    Ensemble((Penalty(0.003),), hidden=4, activation="tanh", steps=40, blanking=0.2),
    Plan(folds=2, repeats=2, inner_folds=2),
)


def make_stump(seed: int, least_in_leaf: int = 1) -> Any:
    """A forest of one tree: two hundred take seconds."""
    return RandomForestClassifier(1, max_depth=1, random_state=seed)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(SHIPPED)


@pytest.fixture(scope="module")
def served() -> Any:
    function = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]
    return lambda data: function(**mammogram.as_inputs(data))["probability"].numpy()


def make_masses(*lines: str) -> masses.Masses:
    return masses.parse("\n".join([masses.HEADER, *lines]).encode(), {})


def test_every_field_has_its_features_and_unknown_has_none() -> None:
    data = make_masses("?,55,1,?,?,0", "?,?,?,5,4,0", "?,?,?,?,?,0")

    table = mammogram.make_table(data)

    assert table.features.shape == (3, 20)
    known = [np.flatnonzero(row).tolist() for row in table.features]
    assert set(table.field_of[known[0]]) == {0, 1}
    assert known[1] == [15, 19]  # the last margin, the last density
    assert known[2] == []
    assert table.is_blank.tolist() == [False, False, True]


def test_a_patient_older_than_any_in_the_data_counts_as_the_oldest() -> None:
    ages = tf.constant([96, 120], tf.int32)
    words = tf.constant(["", ""])

    oldest, older = mammogram.encode(ages, words, words, words).numpy()

    np.testing.assert_array_equal(oldest, older)


def test_training_twice_with_one_seed_writes_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_missing = SAMPLE.read_text() + "4,?,1,1,?,0\n5,60,?,5,3,1\n" * 4
    data = masses.parse(some_missing.encode(), {"sample": "0"})
    monkeypatch.setattr(mammogram, "Recipe", lambda: TINY)
    monkeypatch.setattr(mammogram, "make_forest", make_stump)
    monkeypatch.setattr(mammogram, "make_repeatable", keras.utils.set_random_seed)
    monkeypatch.setattr(masses, "load", lambda folder: data)

    command = ["mammogram", "--artifacts-dir", str(tmp_path)]
    for _ in range(2):
        CliRunner().invoke(cli, command, catch_exceptions=False)
    first, second = (read_manifest(tmp_path / "mammogram" / n) for n in "12")

    assert first.metrics == second.metrics
    assert first.constants == second.constants
    assert first.metrics["all_rows"]["rows"] == 50
    assert first.metrics["complete_rows"]["rows"] == 42
    lowest, highest = first.constants["abstain"]
    assert 0 < lowest < first.constants["threshold"] < highest < 1
    assert sum(name.startswith("report/") for name in first.files) == 5


def test_the_shipped_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(SHIPPED, manifest)
    assert manifest.batch_sizes == card.BATCH_SIZES
    assert manifest.training.data[0].sha256 == masses.SHA256
    assert not manifest.training.git_commit.endswith("+changes")


def test_the_shipped_model_reached_its_goals_on_complete_rows(
    manifest: Manifest,
) -> None:
    figures = manifest.metrics["complete_rows"]

    assert figures["rows"] == 831
    assert figures["servery"]["accuracy"]["mean"] >= 0.81
    assert figures["servery"]["auc"]["mean"] >= 0.87
    for baseline in ("logistic_regression", "random_forest"):
        assert figures["servery"]["auc"]["mean"] > figures[baseline]["auc"]["mean"]


@pytest.mark.parametrize("rows", ["all_rows", "complete_rows"])
def test_the_shipped_model_is_calibrated_and_catches_enough(
    manifest: Manifest, rows: str
) -> None:
    figures = manifest.metrics[rows]["servery"]
    point = manifest.metrics["operating_point"][rows]

    assert figures["expected_calibration_error"]["mean"] <= 0.04
    assert point["sensitivity"]["mean"] >= 0.95
    assert point["specificity"]["mean"] > 0.3


def test_the_shipped_constants_are_those_measured(manifest: Manifest) -> None:
    point = manifest.metrics["operating_point"]["all_rows"]

    for figure in ("sensitivity", "specificity"):
        measured = point[figure]["mean"]
        assert manifest.constants[figure] == pytest.approx(measured, abs=1e-4)
    assert manifest.constants["words"]["margin"] == list(masses.MARGINS)


def test_the_shipped_model_orders_real_masses(served: Any) -> None:
    data = masses.parse(SAMPLE.read_bytes(), {})

    said = served(data)

    assert said[data.labels == 1].mean() > said[data.labels == 0].mean() + 0.3


def test_the_shipped_model_takes_what_is_missing(served: Any) -> None:
    said = served(make_masses("?,?,?,?,?,0", "?,?,4,5,?,0", "?,70,?,?,?,0"))

    assert said[0] == pytest.approx(445 / 961, abs=1e-6)
    assert ((said > 0) & (said < 1)).all()
    assert said[1] > said[0]
