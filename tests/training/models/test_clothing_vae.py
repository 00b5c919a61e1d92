"""The clothing VAE's parts, a small one from end to end, and the one that we ship."""

from pathlib import Path
from typing import Any

import keras
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
from training.models.clothing.decoder import draw_latents, one_hot
from training.models.clothing.drawing import draw_evenly
from training.models.clothing.measures import compare
from training.models.clothing_vae import train as clothing_vae
from training.models.clothing_vae.card import BATCH_SIZES
from training.models.clothing_vae.learner import AdversarialVae, Recipe
from training.models.clothing_vae.network import cross_entropy, divergence, draw
from training.models.fashion_judge.judge import load_judge

SHIPPED = Path(__file__).parents[3] / "artifacts" / "clothing_vae" / "3"
TINY = Recipe(
    epochs=1,
    batch_size=40,
    latent_dims=5,
    widths=(4, 4, 4),
    hidden=16,
    decoder_widths=(8, 4, 4),
    adversary=AdversaryRecipe(widths=(4, 6, 6, 8), features=6),
    averaging=0.9,
    validation_rows=60,
    measured_each=8,
)
RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def sample(fashion_sample: Rows) -> Rows:
    return fashion_sample


def train_tiny(data: ImageSet, artifacts: Path) -> Path:
    """A small VAE, trained for an epoch of some steps and exported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clothing_vae, "QUICK", TINY)
        patch.setattr(clothing_vae, "make_repeatable", keras.utils.set_random_seed)
        patch.setattr(fashion_mnist, "load", lambda folder: data)
        clothing_vae.train(RunOptions(quick=True, artifacts_dir=artifacts))
    return artifacts / "clothing_vae" / "1"


@pytest.fixture(scope="module")
def tiny_vae(fashion_data: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(fashion_data, tmp_path_factory.mktemp("artifacts"))


def load(folder: Path, signature: str) -> Any:
    model = tf.saved_model.load(str(folder))

    def call(**inputs: npt.NDArray[Any]) -> dict[str, Any]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        found = model.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in found.items()}

    return call


def test_divergence_is_what_drawing_from_the_posterior_gives() -> None:
    mean = np.array([[0.7, -1.2]], np.float32)
    log_variance = np.array([[-1.0, 0.4]], np.float32)
    means, log_variances = (
        np.repeat(each, 400_000, 0) for each in (mean, log_variance)
    )
    z = draw(means, log_variances, [1, 2]).numpy()

    posterior = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance)
    prior = -0.5 * z**2
    estimate = (posterior - prior).sum(axis=1).mean()

    assert divergence(mean, log_variance).numpy() == pytest.approx(estimate, rel=0.01)


def test_cross_entropy_is_summed_over_the_pixels_of_each_image() -> None:
    x = RNG.uniform(size=(3, 28, 28)).astype(np.float32)
    logits = RNG.normal(size=(3, 28, 28, 1)).astype(np.float32)

    p = 1 / (1 + np.exp(-logits[..., 0]))
    by_hand = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=(1, 2))

    np.testing.assert_allclose(cross_entropy(x, logits), by_hand, rtol=1e-5)


def test_training_says_how_good_the_drawings_are_and_how_real_ones_do(
    tiny_vae: Path,
) -> None:
    manifest = read_manifest(tiny_vae)

    assert manifest.metrics["drawing"]["images"] == 80
    assert manifest.metrics["floor"]["images"] == 80
    assert manifest.limits.startswith("Of 100 drawings")
    assert manifest.metrics["reconstruction"]["rows"] == 200
    temperature = manifest.constants["temperature"]
    assert str(temperature) in manifest.metrics["temperatures_tried"]
    assert sum(name.startswith("report/") for name in manifest.files) == 5


def test_encoder_decoder_and_adversary_learn_and_the_averages_follow(
    sample: Rows,
) -> None:
    keras.utils.set_random_seed(1)
    vae = AdversarialVae(TINY, seed=1)
    networks = (vae.encoder, vae.decoder, vae.adversary.network)
    before = [network.get_weights() for network in networks]
    images = tf.constant(sample.inputs[::5] / np.float32(255))
    category = tf.constant(one_hot(sample.labels[::5]))

    told = [
        vae.step(tf.constant(number, tf.int64), images, category)
        for number in range(20)
    ]
    vae.update_average()

    for network, old in zip(networks, before, strict=True):
        moved = [
            (a != b).any() for a, b in zip(network.get_weights(), old, strict=True)
        ]
        assert all(moved), network.name
    assert set(told[0]) == {
        *("generator", "discriminator", "named_real", "named_drawn"),
        *("reconstruction", "kl", "category"),
    }
    first, last = (float(each["reconstruction"]) for each in (told[0], told[-1]))
    assert last < first
    average = vae.average_decoder.get_layer("logits").kernel
    assert np.abs(average - vae.decoder.get_layer("logits").kernel).max() > 0


def test_a_latent_is_drawn_alike_with_the_same_seed() -> None:
    mean, log_variance = np.ones((9, 3), "f"), np.zeros((9, 3), "f")

    once, again, other = (
        draw(mean, log_variance, [seed, 0]).numpy() for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_the_exported_signatures_are_those_of_the_contract(tiny_vae: Path) -> None:
    _check_signatures(read_manifest(tiny_vae), latent_dims=5)


def test_an_image_comes_back_from_encode_and_decode(
    tiny_vae: Path, sample: Rows
) -> None:
    seen = load(tiny_vae, "encode")(image=sample.inputs)
    back = load(tiny_vae, "decode")(latent=seen["latent"], category=seen["category"])

    assert {name: array.shape for name, array in seen.items()} == {
        "latent": (200, 5),
        "log_variance": (200, 5),
        "category": (200, 10),
    }
    np.testing.assert_allclose(seen["category"].sum(axis=1), 1, atol=1e-5)
    assert back["image"].shape == (200, 28, 28)
    assert back["image"].dtype == np.uint8


def test_a_drawing_does_not_depend_on_its_company(tiny_vae: Path) -> None:
    _check_company(load(tiny_vae, "decode"), latent_dims=5)


def test_the_shipped_files_are_those_of_the_manifest() -> None:
    manifest = read_manifest(SHIPPED)

    verify_files(SHIPPED, manifest)
    assert manifest.training is not None
    dims = manifest.training.hyperparameters["latent_dims"]
    _check_signatures(manifest, dims)
    assert manifest.labels == CATEGORIES
    assert manifest.batch_sizes == BATCH_SIZES
    assert 0 < manifest.constants["temperature"] <= 1.5  # the most one may ask for


def test_the_shipped_model_draws_what_it_is_asked_for(sample: Rows) -> None:
    decode = tf.saved_model.load(str(SHIPPED)).signatures["decode"]
    manifest = read_manifest(SHIPPED)
    dims = manifest.signatures["decode"].inputs[0].shape[1]
    function = Function(decode, (), {"latent": np.zeros((1, dims or 0))})

    drawn = draw_evenly(function, 1_000, manifest.constants["temperature"], seed=5)
    found = compare(load_judge(), drawn, sample)

    said = manifest.metrics["drawing"]["category_accuracy"]
    accuracy = found["category_accuracy"]
    assert accuracy["mean"] >= 0.90
    assert accuracy["mean"] == pytest.approx(said["mean"], abs=0.03)
    assert accuracy["lowest"] >= said["lowest"] - 0.08  # of 100 drawings
    assert found["diversity"]["features"]["mean"] >= 0.55


def test_the_shipped_model_brings_real_garments_back(sample: Rows) -> None:
    seen = load(SHIPPED, "encode")(image=sample.inputs)
    back = load(SHIPPED, "decode")(latent=seen["latent"], category=seen["category"])

    right = seen["category"].argmax(axis=1) == sample.labels
    error = np.abs(back["image"].astype(float) - sample.inputs).mean() / 255
    assert right.mean() > 0.85
    assert error < 0.09  # the mean image alone leaves about 0.2


def test_a_shipped_drawing_does_not_depend_on_its_company() -> None:
    dims = read_manifest(SHIPPED).signatures["decode"].inputs[0].shape[1]
    assert dims is not None

    _check_company(load(SHIPPED, "decode"), dims)


def _check_signatures(manifest: Manifest, latent_dims: int) -> None:
    latent, category = ("float32", (None, latent_dims)), ("float32", (None, 10))
    image = ("uint8", (None, 28, 28))
    assert list(manifest.signatures) == ["decode", "encode"]
    decode, encode = (_summarise(each) for each in manifest.signatures.values())
    assert decode == (
        [("latent", *latent), ("category", *category)],
        [("image", *image)],
    )
    assert encode == (
        [("image", *image)],
        [("latent", *latent), ("log_variance", *latent), ("category", *category)],
    )


def _summarise(signature: Any) -> tuple[list[Any], list[Any]]:
    inputs, outputs = (
        [(spec.name, spec.dtype, spec.shape) for spec in specs]
        for specs in (signature.inputs, signature.outputs)
    )
    return inputs, outputs


def _check_company(decode: Any, latent_dims: int) -> None:
    latent = draw_latents(np.random.default_rng(7), 32, latent_dims)
    category = one_hot(np.arange(32) % 10)

    together = decode(latent=latent, category=category)["image"]

    assert together.std() > 0.1  # something is drawn
    for size in (1, 3, 16):
        alone = decode(latent=latent[:size], category=category[:size])["image"]
        np.testing.assert_array_equal(alone, together[:size])
