"""The clothing GAN's parts, a tiny training, and the generator that we ship."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from training.core.export import Function
from training.core.options import RunOptions
from training.core.split import Rows
from training.datasets import fashion_mnist
from training.datasets.fashion_mnist import CATEGORIES
from training.datasets.idx import ImageSet
from training.models.clothing.adversary import AdversaryRecipe
from training.models.clothing.decoder import (
    build_decoder,
    draw_latents,
    emphasise_category,
    one_hot,
)
from training.models.clothing.drawing import (
    build_decode,
    draw,
    draw_evenly,
    spread_evenly,
)
from training.models.clothing.fitting import (
    HISTORY,
    Diverged,
    checkpoint,
    fit,
    load,
    settle,
)
from training.models.clothing.measures import compare
from training.models.clothing_gan import train as clothing_gan
from training.models.clothing_gan.duel import Duel, Recipe
from training.models.fashion_judge.judge import load_judge

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[3] / "artifacts" / "clothing_gan" / "2"
TINY = Recipe(
    epochs=2,
    batch_size=20,
    latent_dims=6,
    hidden=12,
    generator_widths=(8, 4, 4),
    adversary=AdversaryRecipe(widths=(4, 6, 6, 8), features=6),
)


@pytest.fixture(scope="module")
def sample(fashion_sample: Rows) -> Rows:
    return fashion_sample


class Trained:
    """A duel of two epochs, and what it was before."""

    def __init__(self, sample: Rows, folder: Path):
        tf.keras.utils.set_random_seed(1)
        self.duel, self.folder = Duel(TINY, seed=1), folder
        self.before = [player.get_weights() for player in self.players]
        self.history = fit(self.duel, sample, TINY, 1, folder)

    @property
    def players(self) -> list[Any]:
        return [self.duel.generator, self.duel.adversary.network, self.duel.average]


@pytest.fixture(scope="module")
def trained(sample: Rows, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(sample, tmp_path_factory.mktemp("epochs"))


@pytest.fixture(scope="module")
def decode(trained: Trained) -> Function:
    settle(trained.duel.average, seed=0)
    return build_decode(trained.duel.average)


def test_both_players_learn_and_the_average_follows(trained: Trained) -> None:
    for player, before in zip(trained.players, trained.before, strict=True):
        moved = [
            np.abs(array - was).max()
            for array, was in zip(player.get_weights(), before, strict=True)
        ]
        trainable = {variable.path for variable in player.trainable_variables}
        for variable, distance in zip(player.weights, moved, strict=True):
            assert distance > 0 or variable.path not in trainable, variable.path


def test_each_epoch_is_kept_with_the_history_so_far(trained: Trained) -> None:
    kept = json.loads((trained.folder / HISTORY).read_text())

    assert kept == trained.history
    assert set(kept) == {"generator", "discriminator", "named_real", "named_drawn"}
    assert all(len(values) == TINY.epochs for values in kept.values())
    assert all(checkpoint(trained.folder, epoch).exists() for epoch in (1, 2))
    other = build_decoder(TINY.latent_dims, TINY.hidden, TINY.generator_widths)
    load(other, checkpoint(trained.folder, 2))
    for mine, theirs in zip(
        other.trainable_variables,
        trained.duel.average.trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_seed_gives_the_same_training(
    trained: Trained, sample: Rows, tmp_path: Path
) -> None:
    again = Trained(sample, tmp_path)

    for name, values in trained.history.items():
        np.testing.assert_allclose(again.history[name], values, rtol=1e-3, err_msg=name)


class Hopeless(Duel):
    """Its players divide by zero."""

    def step(self, number: Any, images: Any, category: Any) -> dict[str, Any]:
        return {"generator": tf.reduce_mean(images) / tf.cast(number, tf.float32)}


def test_a_loss_that_is_no_number_ends_the_training(
    sample: Rows, tmp_path: Path
) -> None:
    with pytest.raises(Diverged, match=r"generator: expected a finite .* received inf"):
        fit(Hopeless(TINY, seed=1), sample, TINY, 1, tmp_path)

    assert not list(tmp_path.iterdir())


def test_the_decoder_speaks_as_the_api_expects(decode: Function) -> None:
    latents = draw_latents(np.random.default_rng(0), 20, TINY.latent_dims)

    images = draw(decode, latents, spread_evenly(20))

    assert [(spec.name, spec.dtype, spec.shape) for spec in decode.inputs] == [
        ("latent", "float32", (None, 6)),
        ("category", "float32", (None, 10)),
    ]
    assert images.dtype == np.uint8
    assert images.shape == (20, 28, 28)
    assert np.unique(images[:, 14, 14]).size > 5  # latents and categories matter


@pytest.mark.parametrize("together", [1, 3, 8, 32])
def test_an_image_is_the_same_bytes_in_any_batch(
    decode: Function, together: int
) -> None:
    latents = draw_latents(np.random.default_rng(0), 96, TINY.latent_dims)
    category = one_hot(np.arange(96) % 10)
    call = tf.function(decode.call, autograph=False)

    parts = [
        call(
            latent=tf.constant(latents[start : start + together]),
            category=tf.constant(category[start : start + together]),
        )["image"].numpy()
        for start in range(0, 96, together)
    ]

    np.testing.assert_array_equal(
        np.concatenate(parts), draw(decode, latents, np.arange(96) % 10)
    )


def test_the_average_is_that_of_the_weights_after_each_step(sample: Rows) -> None:
    recipe = replace(TINY, averaging=0.75)
    duel = Duel(recipe, seed=1)
    images = tf.constant(sample.inputs[:20] / np.float32(255))
    category = tf.constant(one_hot(sample.labels[:20]))
    kernel = duel.generator.get_layer("logits").kernel

    expected = 0.0
    for number in range(4):
        duel.step(tf.constant(number, tf.int64), images, category)
        share = 0.75 if number else 0.0
        expected = share * expected + (1 - share) * kernel.numpy()
    before = kernel.numpy()
    duel.update_average()

    average = duel.average.get_layer("logits").kernel.numpy()
    np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(kernel.numpy(), before)  # it learns on from there


def test_settled_moments_are_those_of_many_latents() -> None:
    generator = build_decoder(TINY.latent_dims, TINY.hidden, TINY.generator_widths)
    layer = generator.get_layer("meet_norm")

    settle(generator, seed=0)

    weights = generator.get_layer("meet").kernel.numpy()
    latents = draw_latents(np.random.default_rng(7), 20_000, TINY.latent_dims)
    sums = np.hstack([latents, one_hot(np.arange(20_000) % 10)]) @ weights
    np.testing.assert_allclose(layer.moving_mean, sums.mean(0), atol=0.03)
    np.testing.assert_allclose(layer.moving_variance, sums.var(0), rtol=0.1)
    assert layer.momentum == pytest.approx(0.95)


def test_categories_weigh_as_much_as_latents_at_first() -> None:
    generator = build_decoder(64, 256, TINY.generator_widths)
    kernel = generator.get_layer("meet").kernel
    before = kernel.numpy()

    emphasise_category(generator, 64)

    np.testing.assert_array_equal(kernel.numpy()[:64], before[:64])
    np.testing.assert_allclose(kernel.numpy()[64:], before[64:] * 8)


def test_training_writes_a_version_and_says_how_it_was_chosen(
    fashion_data: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = replace(TINY, validation_rows=60, measured_each=6)
    monkeypatch.setattr(clothing_gan, "QUICK", tiny)
    monkeypatch.setattr(clothing_gan, "make_repeatable", tf.keras.utils.set_random_seed)
    monkeypatch.setattr(fashion_mnist, "load", lambda folder: fashion_data)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    clothing_gan.train(RunOptions(quick=True, artifacts_dir=tmp_path))

    folder = tmp_path / "clothing_gan" / "1"
    manifest = read_manifest(folder)
    assert len(manifest.metrics["frechet_distance_by_epoch"]) == 2
    assert manifest.metrics["drawing"]["images"] == 60
    assert manifest.metrics["floor"]["images"] == 60
    assert manifest.limits.startswith("Of 100 drawings")
    temperature = manifest.constants["temperature"]
    assert str(temperature) in manifest.metrics["temperatures_tried"]
    reports = {path.name for path in (folder / "report").iterdir()}
    assert "epochs.gif" in reports
    assert len(reports) == 4


def _shipped_manifest() -> Manifest:
    return read_manifest(SHIPPED)


shipped = pytest.mark.skipif(not SHIPPED.exists(), reason="clothing_gan is not trained")


@shipped
def test_the_shipped_files_are_those_of_the_manifest() -> None:
    manifest = _shipped_manifest()

    verify_files(SHIPPED, manifest)
    assert manifest.labels == CATEGORIES
    assert set(manifest.signatures) == {"decode"}
    assert manifest.metrics["parameters"] < 1_000_000


@shipped
def test_the_shipped_generator_draws_what_it_is_asked_for(sample: Rows) -> None:
    decode = tf.saved_model.load(str(SHIPPED)).signatures["decode"]
    manifest = _shipped_manifest()
    dims = manifest.signatures["decode"].inputs[0].shape[1]
    function = Function(decode, (), {"latent": np.zeros((1, dims or 0))})

    drawn = draw_evenly(function, 1_000, manifest.constants["temperature"], seed=5)
    found = compare(load_judge(), drawn, sample)

    said = manifest.metrics["drawing"]["category_accuracy"]
    accuracy = found["category_accuracy"]
    assert accuracy["mean"] >= 0.90
    assert accuracy["mean"] == pytest.approx(said["mean"], abs=0.03)
    assert accuracy["lowest"] >= said["lowest"] - 0.07  # of 100 drawings
    assert found["categories_covered"] == 10


@shipped
def test_the_shipped_generator_gives_the_same_bytes_in_any_batch() -> None:
    manifest = _shipped_manifest()
    dims = manifest.signatures["decode"].inputs[0].shape[1]
    assert dims is not None
    decode = tf.saved_model.load(str(SHIPPED)).signatures["decode"]
    latents = draw_latents(np.random.default_rng(0), 32, dims)
    category = one_hot(np.arange(32) % 10)

    def call(rows: slice) -> npt.NDArray[np.uint8]:
        part = decode(
            latent=tf.constant(latents[rows]), category=tf.constant(category[rows])
        )
        return np.asarray(part["image"].numpy())

    whole = call(slice(0, 32))
    for together in (1, 3, 8):
        parts = [
            call(slice(start, start + together)) for start in range(0, 32, together)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
