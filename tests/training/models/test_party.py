"""The party trainer, in small; and the predictor that we ship."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from tests.training.models.held_out_tables import (
    list_groups,
    list_lines,
    read_page,
    read_readme,
)
from training.core.crossval import (
    Plan,
    assign_folds,
    compare_methods,
    validate_baseline,
)
from training.core.linear import AdditiveLogisticRegression
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty
from training.datasets import votes
from training.models.party import train as party
from training.models.party.card import BATCH_SIZES, summarise

SHIPPED = Path(__file__).parents[3] / "artifacts" / "party" / "2"
TINY = party.Recipe(
    Ensemble((Penalty(0.003, 0.01),), hidden=4, steps=40), Plan(2, 1, 2)
)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(SHIPPED)


@pytest.fixture(scope="module")
def served() -> Any:
    loaded = tf.saved_model.load(str(SHIPPED))
    return lambda rows: {
        name: output.numpy()
        for name, output in loaded.signatures["serving_default"](
            votes=tf.constant(np.asarray(rows, np.int8))
        ).items()
    }


@pytest.fixture(scope="module")
def data() -> votes.Votes:
    return votes.parse(votes.BUNDLED.fetch(["votes.csv"])["votes.csv"])


def test_unknown_is_neither_yea_nor_nay() -> None:
    codes = np.zeros((1, 16), np.int8)
    codes[0, :2] = [1, -1]

    features = party.make_table(codes, np.array([1])).features[0]

    assert features.dtype == np.float32
    assert np.flatnonzero(features).tolist() == [0, 17]  # yea of 0, nay of 1


@pytest.mark.slow
def test_training_twice_with_one_seed_writes_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(party, "Recipe", lambda: TINY)
    monkeypatch.setattr(party, "make_repeatable", keras.utils.set_random_seed)
    (tmp_path / "votes").mkdir()
    content = votes.BUNDLED.fetch(["votes.csv"])["votes.csv"]
    (tmp_path / "votes" / "votes.csv").write_bytes(content)

    for _ in range(2):
        party.train(RunOptions(data_dir=tmp_path, artifacts_dir=tmp_path))
    first, second = (read_manifest(tmp_path / "party" / n) for n in "12")

    assert first.metrics == second.metrics
    assert first.files["golden.npz"] == second.files["golden.npz"]  # what it answers
    figures = first.metrics["cross_validation"]
    assert figures["all"]["methods"]["servery"]["accuracy"]["mean"] > 0.9
    assert figures["complete"]["rows"] == 232
    reports = {name for name in first.files if name.startswith("report/")}
    assert len(reports) == 4


def test_the_shipped_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(SHIPPED, manifest)
    assert manifest.batch_sizes == BATCH_SIZES
    assert manifest.constants["votes"] == list(votes.VOTES)
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == votes.SHA256


def test_the_shipped_weights_are_learnt_again_from_the_votes(
    served: Any, data: votes.Votes
) -> None:
    table = party.make_table(data.votes, data.labels)
    model = AdditiveLogisticRegression().fit(table.features, table.labels)

    yeas, nays = (served(code * np.eye(16))["attributions"] for code in (1, -1))

    learnt = np.concatenate([yeas.diagonal(), nays.diagonal()])
    np.testing.assert_allclose(learnt, model.weights_, atol=1e-5)


def test_the_shipped_figures_come_out_again_of_the_same_cross_validation(
    manifest: Manifest, data: votes.Votes
) -> None:
    table = party.make_table(data.votes, data.labels)
    folds = assign_folds(table.labels, 10, 10, seed=1)
    said = validate_baseline(AdditiveLogisticRegression(), table, folds)

    found = summarise(data, {"servery": said})

    for name, measured in found["cross_validation"].items():
        shipped = manifest.metrics["cross_validation"][name]
        assert measured["rows"] == shipped["rows"]
        for figure, value in measured["methods"]["servery"].items():
            expected = pytest.approx(shipped["methods"]["servery"][figure], abs=1e-4)
            assert value == expected, (name, figure)
    for name, group in found["groups"].items():
        assert group == pytest.approx(manifest.metrics["groups"][name], abs=1e-4)
    assert found["duplicates"] == manifest.metrics["duplicates"]


@pytest.mark.slow
def test_the_networks_come_out_no_better_in_another_cross_validation(
    manifest: Manifest, data: votes.Votes
) -> None:
    recipe = party.Recipe(plan=Plan(repeats=2))
    table = party.make_table(data.votes, data.labels)

    _, said = compare_methods(recipe.ensemble, table, recipe.plan, seed=7)
    found = summarise(data, said)["cross_validation"]["all"]

    shipped = manifest.metrics["cross_validation"]["all"]
    for method, figures in shipped["methods"].items():
        for figure, value in figures.items():
            again = found["methods"][method][figure]["mean"]
            near = pytest.approx(value["mean"], abs=2 * value["standard_error"])
            assert again == near, (method, figure)
    gain = found["differences"]["network"]
    assert gain["auc"]["mean"] < 2 * gain["auc"]["standard_error"]
    assert gain["log_loss"]["mean"] > -2 * gain["log_loss"]["standard_error"]


def test_the_card_says_what_the_figures_say(manifest: Manifest) -> None:
    figures = manifest.metrics["cross_validation"]
    for method in ("servery", "network", "tuned_logistic_regression"):
        mean = figures["all"]["methods"][method]["accuracy"]["mean"]
        assert f"{mean:.1%}" in manifest.description
    assert "93 of the 435 rows repeat an earlier one" in manifest.limits
    missed = manifest.metrics["groups"]["democrat"]["missed"]
    assert f"of 100 democrats {100 * missed:.0f} republicans" in manifest.limits


def test_page_and_readme_show_the_shipped_figures(manifest: Manifest) -> None:
    page = read_page("party")
    figures = manifest.metrics["cross_validation"]
    for found in figures.values():
        for line in list_lines(found):
            assert line in page
    for line in list_groups(manifest.metrics["groups"]):
        assert line in page
    accuracy = figures["all"]["methods"]["servery"]["accuracy"]
    shown = (100 * accuracy["mean"], 100 * accuracy["standard_error"])
    assert "{:.1f} ± {:.1f} % (standard error)".format(*shown) in read_readme("party")


def test_the_shipped_model_knows_the_members(served: Any, data: votes.Votes) -> None:
    probability = served(data.votes)["probability"]

    assert probability.shape == (435,)
    assert np.mean((probability > 0.5) == data.labels) > 0.96


def test_with_no_vote_known_the_shipped_model_answers_with_the_prior(
    served: Any,
) -> None:
    answer = served(np.zeros((1, 16)))

    assert answer["probability"][0] == pytest.approx(267 / 435, abs=1e-6)
    assert (answer["attributions"] == 0).all()


def test_an_attribution_is_the_change_of_the_log_odds(
    served: Any, data: votes.Votes
) -> None:
    row = data.votes[2]
    known = np.flatnonzero(row)
    without = np.repeat(row[None], len(known), axis=0)
    without[np.arange(len(known)), known] = 0

    answer = served(row[None])
    probability = np.append(answer["probability"], served(without)["probability"])
    log_odds = np.log(probability / (1 - probability))

    found = answer["attributions"][0]
    np.testing.assert_allclose(found[known], log_odds[0] - log_odds[1:], atol=1e-3)
    assert (found[row == 0] == 0).all()
    prior = np.log(267 / 168)
    assert prior + found.sum() == pytest.approx(log_odds[0], abs=1e-3)
