"""The mammogram trainer, in small; and the predictor that we ship."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from tests.training.models.held_out_tables import (
    list_groups,
    list_lines,
    read_page,
    read_readme,
)
from training.core.crossval import Plan, assign_folds, validate_baseline
from training.core.linear import AdditiveLogisticRegression
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty
from training.datasets import masses
from training.datasets.fetch import DEFAULT_DATA_DIR, DataUnavailable
from training.models.mammogram import train as mammogram
from training.models.mammogram.card import BATCH_SIZES, summarise
from training.models.mammogram.features import as_inputs, encode, make_table
from training.models.mammogram.validation import (
    HeldOut,
    Recipe,
    choose_point,
    find_thresholds,
)

SHIPPED = Path(__file__).parents[3] / "artifacts" / "mammogram" / "2"
SAMPLE = Path(__file__).parents[2] / "data" / "masses_sample.csv"
TINY = Recipe(
    Ensemble((Penalty(0.003),), hidden=4, activation="tanh", steps=40, blanking=0.2),
    Plan(folds=2, repeats=2, inner_folds=2),
)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(SHIPPED)


@pytest.fixture(scope="module")
def served() -> Any:
    function = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]
    return lambda data: function(**as_inputs(data))["probability"].numpy()


def make_masses(*lines: str) -> masses.Masses:
    return masses.parse("\n".join([masses.HEADER, *lines]).encode(), {})


def test_every_field_has_its_features_and_unknown_has_none() -> None:
    data = make_masses("?,55,1,?,?,0", "?,?,?,5,4,0", "?,?,?,?,?,0")

    table = make_table(data)

    assert table.features.shape == (3, 20)
    known = [np.flatnonzero(row).tolist() for row in table.features]
    assert set(table.field_of[known[0]]) == {0, 1}
    assert known[1] == [15, 19]  # the last margin, the last density
    assert known[2] == []
    assert table.is_blank.tolist() == [False, False, True]


def test_a_patient_older_than_any_in_the_data_counts_as_the_oldest() -> None:
    ages = tf.constant([96, 120], tf.int32)
    words = tf.constant(["", ""])

    oldest, older = encode(ages, words, words, words).numpy()

    np.testing.assert_array_equal(oldest, older)


@pytest.mark.slow
def test_training_twice_with_one_seed_writes_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_missing = SAMPLE.read_text() + "4,?,1,1,?,0\n5,60,?,5,3,1\n" * 4
    data = masses.parse(some_missing.encode(), {"sample": "0"})
    monkeypatch.setattr(mammogram, "Recipe", lambda: TINY)
    monkeypatch.setattr(mammogram, "make_repeatable", keras.utils.set_random_seed)
    monkeypatch.setattr(masses, "load", lambda folder: data)

    for _ in range(2):
        mammogram.train(RunOptions(artifacts_dir=tmp_path))
    first, second = (read_manifest(tmp_path / "mammogram" / n) for n in "12")

    assert first.metrics == second.metrics
    assert first.constants == second.constants
    assert first.files["golden.npz"] == second.files["golden.npz"]  # what it answers
    assert first.metrics["all_rows"]["rows"] == 50
    assert first.metrics["complete_rows"]["rows"] == 42
    lowest, highest = first.constants["abstain"]
    assert 0 < lowest < first.constants["threshold"] < highest < 1
    assert sum(name.startswith("report/") for name in first.files) == 5


def test_the_shipped_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(SHIPPED, manifest)
    assert manifest.batch_sizes == BATCH_SIZES
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == masses.SHA256


def test_the_shipped_constants_are_those_measured(manifest: Manifest) -> None:
    point = manifest.metrics["operating_point"]["all_rows"]

    for figure in ("sensitivity", "specificity"):
        measured = point[figure]["mean"]
        assert manifest.constants[figure] == pytest.approx(measured, abs=1e-4)
    assert manifest.constants["words"]["margin"] == list(masses.MARGINS)


def test_the_shipped_model_orders_real_masses_and_misses_none_of_a_few(
    served: Any, manifest: Manifest
) -> None:
    data = masses.parse(SAMPLE.read_bytes(), {})

    said = served(data)

    assert roc_auc_score(data.labels, said) > 0.87
    called = said >= manifest.constants["threshold"]
    assert called[data.labels == 1].mean() >= 0.95
    assert called[data.labels == 0].mean() < 0.7


@pytest.fixture
def data() -> masses.Masses:
    folder = Path(os.environ.get("SERVERY_DATA_DIR", DEFAULT_DATA_DIR))
    try:
        data = masses.load(folder, sources=(), complete_sources=())
    except DataUnavailable:
        pytest.skip(f"the masses are not in {folder / 'masses'}: they are not shipped")
    if len(data) != 961:
        pytest.skip("only the complete masses are there")
    return data


def test_the_shipped_weights_and_threshold_are_learnt_again_from_the_masses(
    served: Any, manifest: Manifest, data: masses.Masses
) -> None:
    table = make_table(data)
    model = AdditiveLogisticRegression().fit(table.features, table.labels)

    expected = model.predict_proba(table.features)[:, 1]

    np.testing.assert_allclose(served(data), expected, atol=1e-5)
    threshold = choose_point(Recipe(), table, seed=1)
    assert manifest.constants["threshold"] == pytest.approx(threshold, abs=1e-4)


def test_the_shipped_figures_come_out_again_of_the_same_cross_validation(
    manifest: Manifest, data: masses.Masses
) -> None:
    table, recipe = make_table(data), Recipe()
    folds = assign_folds(table.labels, 10, 10, seed=1)
    said = validate_baseline(AdditiveLogisticRegression(), table, folds)
    is_called = said >= find_thresholds(recipe, table, folds, seed=1)

    found = summarise(HeldOut(table.labels, {"servery": said}, is_called), data)

    for name in ("all_rows", "complete_rows", "rows_without_a_twin"):
        measured = found[name]["methods"]["servery"]
        shipped = manifest.metrics[name]["methods"]["servery"]
        assert found[name]["rows"] == manifest.metrics[name]["rows"]
        for figure, value in measured.items():
            assert value == pytest.approx(shipped[figure], abs=1e-4), (name, figure)
        point = manifest.metrics["operating_point"][name]
        for figure, value in found["operating_point"][name].items():
            near = 1 if figure == "rows_of_one_repeat" else 2e-3
            assert value == pytest.approx(point[figure], abs=near), (name, figure)
    for name, group in found["groups"].items():
        assert group == pytest.approx(manifest.metrics["groups"][name], abs=2e-3)
    assert found["duplicates"] == manifest.metrics["duplicates"]


def test_the_networks_gain_no_more_than_chance_does(manifest: Manifest) -> None:
    gain = manifest.metrics["all_rows"]["differences"]["network"]

    for figure in ("accuracy", "auc", "log_loss", "brier_score"):
        assert abs(gain[figure]["mean"]) < 2 * gain[figure]["standard_error"]


def test_the_card_says_what_the_figures_say(manifest: Manifest) -> None:
    for method in ("servery", "network", "tuned_logistic_regression"):
        mean = manifest.metrics["all_rows"]["methods"][method]["auc"]["mean"]
        assert f"{mean:.3f}" in manifest.description
    missed, alarmed = (
        f"{100 * (1 - manifest.constants[figure]):.0f}"
        for figure in ("sensitivity", "specificity")
    )
    assert f"of 100 malignant masses {missed} are missed" in manifest.limits
    assert f"of 100 benign ones {alarmed} are false alarms" in manifest.limits
    for name, group in manifest.metrics["groups"].items():
        assert f"{name}, {group['missed']:.0%}" in manifest.limits


def test_page_and_readme_show_the_shipped_figures(manifest: Manifest) -> None:
    page, constants = read_page("mammogram"), manifest.constants
    for rows in ("all_rows", "complete_rows", "rows_without_a_twin"):
        for line in list_lines(manifest.metrics[rows]):
            assert line in page
    for line in list_groups(manifest.metrics["groups"]):
        assert line in page
    point = manifest.metrics["operating_point"]
    for figure in ("sensitivity", "specificity", "malignant_if_not_called"):
        cells = (
            f"{100 * found['mean']:.1f} ± {100 * found['standard_error']:.1f} %"
            for found in (point[rows][figure] for rows in ("all_rows", "complete_rows"))
        )
        assert f"| {' | '.join(cells)} |" in page
    assert "{:.3f} to {:.3f}".format(*constants["abstain"]) in page
    found = manifest.metrics["all_rows"]["methods"]["servery"]
    accuracy, auc = found["accuracy"], found["auc"]
    shown = read_readme("mammogram")
    assert f"AUC {auc['mean']:.3f} ± {auc['standard_error']:.3f}" in shown
    shares = (100 * accuracy["mean"], 100 * accuracy["standard_error"])
    assert "{:.1f} ± {:.1f} % (standard error)".format(*shares) in shown


def test_the_shipped_model_takes_what_is_missing(served: Any) -> None:
    said = served(make_masses("?,?,?,?,?,0", "?,?,4,5,?,0", "?,70,?,?,?,0"))

    assert said[0] == pytest.approx(445 / 961, abs=1e-6)
    assert ((said > 0) & (said < 1)).all()
    assert said[1] > said[0]
