"""The writer's training on a handful of reviews, and the version that we ship."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from service.contract.golden import read_golden
from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from service.contract.task import TextGeneration
from tests.training.models.held_out_tables import read_page, read_readme
from tests.training.models.tiny_sentiment import make_reviews
from training.core.options import RunOptions
from training.datasets import imdb
from training.models.writer import train as writer
from training.models.writer.alphabet import SYMBOLS
from training.models.writer.fitting import fit
from training.models.writer.recipe import QUICK

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[3] / "artifacts" / "writer" / "2"
TINY = replace(
    QUICK,
    epochs=3,
    epoch_batches=6,
    cooling_epochs=1,
    validation_share=4,
    block=5,
    units=16,
    width=8,
    rows=8,
    steps=16,
    learning_rate=2e-2,
    pushes=(0.0, 2.0),
    tried_texts=6,
    measured_texts=10,
    measured_reviews=10,
)
DATA = imdb.Imdb(train=make_reviews(120, 1), test=make_reviews(40, 2))


def learn(seed: int) -> tuple[dict[str, Any], dict[str, list[float]]]:
    keras.utils.set_random_seed(seed)
    corpora = writer.read_corpora(DATA, TINY)
    network = writer.build_network(TINY, seed)
    history = fit(network, corpora.training, corpora.validation, TINY, seed)
    return network.as_arrays(), history


def test_the_same_seed_trains_the_same_writer() -> None:
    (one, history), (same, again), (other, _) = learn(1), learn(1), learn(2)
    assert history == again
    for name, array in one.items():
        assert np.array_equal(array, same[name]), name
    assert not np.array_equal(one["recurrent"], other["recurrent"])
    assert not np.array_equal(one["contexts"], other["contexts"])
    assert history["val_bits"][-1] < history["val_bits"][0] < np.log2(len(SYMBOLS))


def test_a_tiny_writer_is_written_with_all_that_a_card_needs(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "QUICK", TINY)
        patch.setattr(writer, "make_repeatable", keras.utils.set_random_seed)
        patch.setattr(imdb, "load", lambda folder: DATA)
        writer.train(RunOptions(quick=True, artifacts_dir=tmp_path))
    manifest = read_manifest(tmp_path / "writer" / "1")
    verify_files(tmp_path / "writer" / "1", manifest)
    assert isinstance(manifest.task, TextGeneration)
    assert set(manifest.signatures) == {"read", "step"}
    assert manifest.metrics["agreement"]["texts"] == 10
    assert manifest.metrics["copied"]["texts"] == 10
    assert "bits a character" in manifest.description


def test_no_film_of_the_validation_is_trained_on() -> None:
    corpora = writer.read_corpora(DATA, TINY)
    counts = corpora.count()
    repeated = counts["left_out_of_train_as_repeated"]
    assert counts["train"] + counts["validation"] + repeated <= len(DATA.train) + 1
    assert counts["test"] == TINY.measured_reviews


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    if not SHIPPED.exists():
        pytest.skip("artifacts/writer/2 is not there: python -m training writer")
    return read_manifest(SHIPPED)


def test_the_shipped_version_was_learnt_from_the_training_half(
    manifest: Manifest,
) -> None:
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == imdb.SHA256
    assert manifest.training.seconds <= 90 * 60


def test_the_shipped_writer_tells_reviews_as_well_as_was_promised(
    manifest: Manifest,
) -> None:
    assert manifest.metrics["test"]["bits"] <= 1.75


def test_the_shipped_writer_tells_reviews_better_than_n_grams(
    manifest: Manifest,
) -> None:
    metrics = manifest.metrics
    assert metrics["test"]["bits"] <= 1.82 < metrics["ngrams"]["bits"]
    assert metrics["test"]["reviews"] >= 490


def test_whole_numbers_cost_the_shipped_writer_less_than_a_hundredth_of_a_bit(
    manifest: Manifest,
) -> None:
    found = manifest.metrics["on_fewer_reviews"]
    assert found["bits_in_whole_numbers"] - found["bits_in_floats"] < 0.01


def test_the_shipped_writer_is_as_kind_as_it_is_asked_to_be(manifest: Manifest) -> None:
    agreement = manifest.metrics["agreement"]
    assert agreement["texts"] == 1000
    assert agreement["share"] >= 0.9


def test_the_shipped_writer_copies_nothing_long(manifest: Manifest) -> None:
    assert manifest.metrics["copied"]["longest"] <= 60


def test_the_limits_say_who_is_treated_worse(manifest: Manifest) -> None:
    for share in manifest.metrics["agreement"]["by_mood"].values():
        assert f"{1 - share:.1%} of those asked to be" in manifest.limits
    for figures in manifest.metrics["agreement_by_length"].values():
        assert f"{1 - figures['share']:.1%} of texts of up to" in manifest.limits


def test_the_page_and_the_readme_say_what_was_measured(manifest: Manifest) -> None:
    metrics, page = manifest.metrics, " ".join(read_page("writer").split())
    readme, agreement = read_readme("writer"), metrics["agreement"]
    share, error = agreement["share"], agreement["standard_error"]
    for said in (
        f"{metrics['test']['bits']:.3f} bits a character",
        f"{100 * share:.1f} ± {100 * error:.1f} %",
        f"{metrics['ngrams']['bits']:.3f}",
    ):
        assert said in page
        assert said in readme
    for length, figures in metrics["agreement_by_length"].items():
        assert f"| {length} | {100 * (1 - figures['share']):.1f} % |" in page
    for name, figures in metrics["test"]["by_mood"].items():
        assert f"| {name} | {figures['bits']:.3f} | {figures['reviews']:,} |" in page
    for name, figures in metrics["test"]["by_length"].items():
        assert f"| {name} characters | {figures['bits']:.3f} |" in page
    for name, copied in metrics.items():
        if name.startswith("copied"):
            assert f" {copied['longest']}" in page


def test_the_shipped_graph_alone_gives_the_golden_answers_in_every_company(
    manifest: Manifest,
) -> None:
    served = tf.saved_model.load(str(SHIPPED)).signatures
    golden = read_golden(SHIPPED / "golden.npz", manifest.signatures)
    assert golden is not None
    for name, samples in golden.samples.items():
        names = [spec.name for spec in manifest.signatures[name].inputs]
        for rows in (slice(0, 1), slice(3, 8), slice(0, 32)):
            given = dict(
                zip(names, (each[rows] for each in samples.inputs), strict=True)
            )
            found: Any = served[name](**{k: tf.constant(v) for k, v in given.items()})
            outputs = manifest.signatures[name].outputs
            for spec, expected in zip(outputs, samples.outputs, strict=True):
                assert np.array_equal(found[spec.name], expected[rows]), (name, rows)
