"""The digit trainer's parts, and the classifier that we ship."""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from tests.training.conftest import Sample
from training.core import provenance
from training.core.options import RunOptions
from training.core.prediction import predict
from training.core.split import Rows
from training.datasets import mnist
from training.datasets.fetch import DEFAULT_DATA_DIR
from training.datasets.idx import ImageSet
from training.metrics.classification import summarise_classifier
from training.models.digits import further
from training.models.digits import train as digits
from training.models.digits.card import BATCH_SIZES, LABELS
from training.models.digits.distortion import Distortion, distort
from training.models.digits.finder import FinderRecipe
from training.models.digits.further import FurtherRecipe
from training.models.digits.train import Recipe, build_model, stream_distorted

SHIPPED = Path(__file__).parents[3] / "artifacts" / "digits" / "5"
TINY = Recipe(
    epochs=2,
    settling=1,
    validation_rows=100,
    traced=60,
    cut=32,
    drawn=16,
    batch_size=32,
    finder=FinderRecipe(32, 16, 1, 2),
    baseline_epochs=1,
)
NOTHING = Distortion(degrees=0, zoom=0, shear=0, shift=0, elastic=0, stroke=0)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(SHIPPED)


def seed(number: int) -> tf.Tensor:
    return tf.constant([1, number], tf.int64)


def test_an_image_distorted_by_nothing_is_untouched(mnist_sample: Sample) -> None:
    images = mnist_sample.images[:8].astype(np.float32)

    np.testing.assert_allclose(distort(images, seed(1), NOTHING), images, atol=1e-3)


def test_distortion_repeats_with_its_seed_and_stays_in_range(
    mnist_sample: Sample,
) -> None:
    images = mnist_sample.images[:32].astype(np.float32)

    once, again = (distort(images, seed(1), Distortion()).numpy() for _ in range(2))
    other = distort(images, seed(2), Distortion()).numpy()

    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).mean() > 5
    assert once.min() >= 0
    assert once.max() <= 255
    assert once.mean() == pytest.approx(images.mean(), rel=0.25)  # the ink is there


def test_a_rotation_turns_about_the_middle() -> None:
    image = np.zeros((1, 29, 29), np.float32)
    image[0, 14, 14] = 255

    turned = distort(image, seed(3), Distortion(90, 0, 0, 0, 0, 0)).numpy()

    assert turned[0, 14, 14] == pytest.approx(255, abs=0.1)


@pytest.mark.slow
def test_the_stream_is_the_same_in_each_run_and_new_in_each_epoch(
    mnist_sample: Sample,
) -> None:
    rows = Rows(mnist_sample.images[:64], mnist_sample.labels[:64])
    recipe = Recipe(batch_size=32)

    first, second = (
        [images.numpy() for images, _ in stream_distorted(rows, recipe, 9).take(4)]
        for _ in range(2)
    )

    np.testing.assert_array_equal(first, second)
    assert np.abs(np.sort(first[:2], None) - np.sort(first[2:], None)).max() > 1


def test_the_model_is_cheap_to_serve() -> None:
    model = build_model(0.4)

    # By hand: 2 × places × kernel, of five convolutions and two dense layers.
    flop = 2 * (
        24**2 * 25 * 24
        + 12**2 * 9 * (24 * 48 + 48 * 48)
        + 6**2 * 9 * 48 * 96
        + 4**2 * 9 * 96 * 96
        + 1536 * 128
        + 128 * 11
    )
    assert provenance.count_mflop(model) == pytest.approx(flop / 1e6)
    assert flop / 1e6 < 20


@pytest.mark.slow
def test_training_writes_a_version_that_reads_like_the_model(
    mnist_sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ImageSet(*[mnist_sample.images, mnist_sample.labels] * 2)
    monkeypatch.setattr(digits, "QUICK", TINY)
    monkeypatch.setattr(digits, "make_repeatable", keras.utils.set_random_seed)
    monkeypatch.setattr(mnist, "load", lambda folder: data)

    digits.train(RunOptions(quick=True, artifacts_dir=tmp_path))

    folder = tmp_path / "digits" / "1"
    manifest = read_manifest(folder)
    rows = {"train": 157, "validation": 100, "test": 257}
    assert manifest.training is not None
    assert manifest.training.data[0].rows == rows
    assert manifest.training.hyperparameters["temperature"] > 0
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    probabilities = served(images=tf.constant(data.test_images))["probabilities"]
    wrong = probabilities.numpy().argmax(axis=1) != data.test_labels
    assert wrong.sum() == manifest.metrics["test"]["errors"] < 257 * 0.9
    assert sum(name.startswith("report/") for name in manifest.files) == 6


@pytest.mark.slow
def test_a_version_learns_on_from_the_one_before(
    tmp_path: Path, mnist_sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = mnist_sample.images, mnist_sample.labels.astype(np.uint8)
    data = ImageSet(images, labels, images, labels)
    recipe = FurtherRecipe(1, FinderRecipe(32, 16, 1, 2, averaged=0.5), rows=TINY)
    monkeypatch.setattr(further, "QUICK_RECIPE", recipe)
    monkeypatch.setattr(further, "make_repeatable", keras.utils.set_random_seed)
    monkeypatch.setattr(mnist, "load", lambda folder: data)

    folder = further.train(RunOptions(quick=True, artifacts_dir=tmp_path))

    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    assert manifest.training is not None
    assert manifest.training.hyperparameters["from_version"] == further.FROM
    shipped = SHIPPED.parent / str(further.FROM)
    ours, theirs = (
        {each.name: each.numpy() for each in tf.saved_model.load(str(path)).weights}
        for path in (folder, shipped)
    )
    assert ours.keys() == theirs.keys()
    moved = {name for name, each in ours.items() if np.any(each != theirs[name])}
    assert moved  # both networks
    for name in (each for each in moved if ours[each].size > 100):
        near = np.corrcoef(ours[name].ravel(), theirs[name].ravel())[0, 1]
        assert near > 0.5, name  # by little: they are not new ones
    right = read(folder, images) == labels
    assert right.mean() > 0.97


def read(folder: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    probabilities = served(images=tf.constant(images))["probabilities"].numpy()
    digits: npt.NDArray[np.int64] = probabilities[:, :10].argmax(axis=1)
    return digits


def test_the_shipped_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(SHIPPED, manifest)
    assert manifest.batch_sizes == BATCH_SIZES


@pytest.mark.slow
def test_the_shipped_figures_come_out_again_on_images_it_never_saw(
    manifest: Manifest,
) -> None:
    if not all((DEFAULT_DATA_DIR / "mnist" / name).exists() for name in mnist.SHA256):
        pytest.skip("MNIST is not there")
    data = mnist.load(sources=())
    served = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]

    found = predict(served, {"images": data.test_images})["probabilities"]
    figures = summarise_classifier(data.test_labels, found, LABELS)

    read = found[:, :10].argmax(axis=1) == data.test_labels
    assert read.mean() >= 0.996
    assert figures["expected_calibration_error"] < 0.01  # calibrated on photos, too
    said = manifest.metrics["test"]
    # Another processor rounds otherwise, and may tip a digit or two.
    assert figures["errors"] == pytest.approx(said["errors"], abs=2)
    assert figures["log_loss"] == pytest.approx(said["log_loss"], rel=0.01)


def test_the_shipped_model_reads_real_digits(
    mnist_sample: Sample, manifest: Manifest
) -> None:
    served = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]

    images = tf.constant(mnist_sample.images)
    probabilities = served(images=images)["probabilities"].numpy()

    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    right = probabilities.argmax(axis=1) == mnist_sample.labels
    assert right.sum() >= len(right) - 3
