"""The churn trainer, in small; and the predictor that we ship."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from service.contract.contract import from_saved_model
from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from service.contract.saved_model import read_saved_model
from service.engine.compute.tensorflow_runtime import TensorFlowRuntime
from training.core.crossval import Plan
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty
from training.datasets import churn as data_set
from training.datasets.churn import COUNTRIES, GENDERS, Customers
from training.datasets.fetch import DEFAULT_DATA_DIR, DataUnavailable
from training.models.churn import train as churn
from training.models.churn.train import Recipe, as_inputs, make_table, measure

SHIPPED = Path(__file__).parents[3] / "artifacts" / "churn" / "2"
TINY = Recipe(
    Ensemble((Penalty(0.003),), hidden=4, activation="tanh", steps=30),
    Plan(folds=2, repeats=2),
)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(SHIPPED)


def make_customers(rows: int, **columns: Any) -> Customers:
    """Customers drawn evenly; those above fifty leave."""
    rng = np.random.default_rng(0)

    def draw(least: int, most: int) -> np.ndarray:
        return rng.integers(least, most, rows).astype(np.float32)

    drawn: dict[str, Any] = {
        "credit_score": draw(350, 851),
        "geography": rng.choice(COUNTRIES, rows),
        "gender": rng.choice(GENDERS, rows),
        "age": draw(18, 90),
        "tenure": draw(0, 11),
        "balance": draw(0, 2) * 100_000,
        "num_of_products": draw(1, 5),
        "has_cr_card": draw(0, 2) > 0,
        "is_active_member": draw(0, 2) > 0,
        "estimated_salary": draw(0, 200_000),
    } | columns
    return Customers(**drawn, exited=np.broadcast_to(drawn["age"] > 50, rows))


def ask(customers: Customers) -> np.ndarray:
    """Probabilities by the model that we ship, as the service computes them."""
    contract = from_saved_model("churn", 1, read_saved_model(SHIPPED))
    model = TensorFlowRuntime("cpu", 1).load(SHIPPED, contract)
    given = as_inputs(customers)
    inputs = contract.signatures["serving_default"].inputs
    (said,) = model.run("serving_default", tuple(given[spec.name] for spec in inputs))
    return said


def load_or_skip() -> Customers:
    folder = Path(os.environ.get("SERVERY_DATA_DIR", DEFAULT_DATA_DIR))
    try:
        return data_set.load(folder)
    except DataUnavailable:
        pytest.skip(f"{data_set.FILE} is not in {folder / 'churn'}: it is not shipped")


def test_words_are_looked_up_and_numbers_brought_to_units() -> None:
    table = make_table(make_customers(3, age=np.array([30, 40, 60], np.float32)))

    assert table.features.shape == (3, 18)
    assert table.field_of.tolist() == [
        0,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        5,
        5,
        *[6] * 4,
        7,
        8,
        9,
    ]
    assert table.features[:, 6:8].tolist() == [[-1, 0], [0, 0], [2, 1]]
    for words in ([1, 2, 3], [4, 5], [11, 12, 13, 14]):
        assert table.features[:, words].sum(axis=1).tolist() == [1, 1, 1]


def test_a_word_that_is_not_known_has_no_feature() -> None:
    table = make_table(make_customers(1, geography=np.array(["Atlantis"])))

    assert table.features[0, 1:4].tolist() == [0, 0, 0]


@pytest.mark.slow
def test_training_twice_with_one_seed_writes_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(churn, "Recipe", lambda: TINY)
    monkeypatch.setattr(churn, "make_repeatable", keras.utils.set_random_seed)
    monkeypatch.setattr(data_set, "load", lambda folder: make_customers(80))

    for _ in range(2):
        churn.train(RunOptions(artifacts_dir=tmp_path))
    first, second = (read_manifest(tmp_path / "churn" / n) for n in "12")

    assert first.metrics == second.metrics
    found = first.metrics["cross_validation"]
    assert found["rows"] == 80
    assert set(found["methods"]) == {
        "servery",
        "logistic_regression",
        "gradient_boosting",
    }
    assert set(first.metrics["groups"]) == {*COUNTRIES, *GENDERS, *churn.AGE_GROUPS}
    assert sum(name.startswith("report/") for name in first.files) == 3


def test_the_shipped_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(SHIPPED, manifest)
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == data_set.SHA256
    assert not manifest.training.git_commit.endswith("+changes")


def test_the_shipped_model_finds_old_inactive_customers_likelier_to_leave() -> None:
    common: dict[str, Any] = {
        "geography": np.array(["Germany"] * 2),
        "gender": np.array(["Female"] * 2),
        "num_of_products": np.array([1, 1], np.float32),
        "is_active_member": np.array([True, False]),
        "age": np.array([30, 55], np.float32),
    }

    stays, leaves = ask(make_customers(2, **common))

    assert stays < 0.3
    assert leaves > 0.7


def test_the_limits_name_how_groups_are_treated(manifest: Manifest) -> None:
    for name, group in manifest.metrics["groups"].items():
        share = f"{group['called_leaving_of_those_who_left']:.0%}"
        assert f"{share} ({name})" in manifest.limits


def test_the_shipped_model_answers_as_well_as_it_was_measured(
    manifest: Manifest,
) -> None:
    customers = load_or_skip()

    said = ask(customers)

    found = manifest.metrics["cross_validation"]["methods"]["servery"]
    accuracy = float(np.mean((said > 0.5) == customers.exited))
    assert accuracy >= found["accuracy"]["mean"] - 0.002  # it has seen these rows
    assert accuracy <= found["accuracy"]["mean"] + 0.02
    assert roc_auc_score(customers.labels, said) >= found["auc"]["mean"] - 0.002


@pytest.mark.slow
def test_the_shipped_figures_come_out_again_of_another_cross_validation(
    manifest: Manifest,
) -> None:
    table = make_table(load_or_skip())

    probabilities = measure(Recipe(plan=Plan(5, 1)), table, seed=7)
    found = churn.summarise(table.labels, probabilities)["methods"]

    for name, said in manifest.metrics["cross_validation"]["methods"].items():
        for figure in ("accuracy", "auc"):
            again = found[name][figure]["mean"]
            assert again == pytest.approx(said[figure]["mean"], abs=0.006), name


def test_the_graph_alone_answers_raw_columns() -> None:
    served = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]
    rows = as_inputs(make_customers(5))

    said = served(**{name: tf.constant(each) for name, each in rows.items()})

    assert said["probability"].shape == (5,)
