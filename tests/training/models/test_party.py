"""The party trainer, in small; and the predictor that we ship."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from training.core.crossval import Plan
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty
from training.datasets import votes
from training.models.party import train as party
from training.models.party.card import BATCH_SIZES, summarise

SHIPPED = Path(__file__).parents[3] / "artifacts" / "party" / "1"
TINY = party.Recipe(
    Ensemble((Penalty(0.003, 0.01),), hidden=4, steps=40), Plan(2, 1), trees=2
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

    features = party.encode(tf.constant(codes)).numpy()[0]

    assert features.dtype == np.float32
    assert np.flatnonzero(features).tolist() == [0, 17]  # yea of 0, nay of 1


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
    figures = first.metrics["cross_validation"]
    assert figures["all"]["servery"]["accuracy"]["mean"] > 0.9
    assert figures["complete"]["rows"] == 232
    reports = {name for name in first.files if name.startswith("report/")}
    assert len(reports) == 4


def test_the_shipped_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(SHIPPED, manifest)
    assert manifest.batch_sizes == BATCH_SIZES
    assert manifest.constants["votes"] == list(votes.VOTES)
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == votes.SHA256


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "members"), [("all", 435), ("complete", 232)])
def test_the_shipped_figures_come_out_again_of_another_cross_validation(
    manifest: Manifest, data: votes.Votes, rows: str, members: int
) -> None:
    recipe = party.Recipe(plan=Plan(repeats=2))
    table = party.make_table(data.votes, data.labels)
    table = table.pick(data.is_complete) if rows == "complete" else table

    found = summarise(party.measure(recipe, table, seed=7))

    said = manifest.metrics["cross_validation"][rows]
    assert found["rows"] == said["rows"] == members
    for method in ("servery", "logistic_regression", "random_forest"):
        for figure in ("accuracy", "auc", "log_loss"):
            mean, sd = (said[method][figure][each] for each in ("mean", "sd"))
            again = found[method][figure]["mean"]
            assert again == pytest.approx(mean, abs=4 * sd), (method, figure)


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
