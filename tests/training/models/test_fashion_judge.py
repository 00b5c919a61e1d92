"""The judge of drawn clothing: how it is trained, kept and asked."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from service.contract.manifest import read_manifest
from tests.training.conftest import Sample, untraced
from training.core import provenance
from training.core.options import RunOptions
from training.core.split import Rows, Splits
from training.datasets import fashion_mnist
from training.datasets.fetch import DEFAULT_DATA_DIR
from training.datasets.idx import ImageSet
from training.models.fashion_judge import train as fashion_judge
from training.models.fashion_judge.division import (
    SHARE,
    take_generators_part,
    take_judges_part,
)
from training.models.fashion_judge.judge import (
    FACTS,
    FEATURES,
    FIRST_JUDGE_DIR,
    JUDGE_DIR,
    WEIGHTS,
    Judge,
    JudgeUnusable,
    as_judge,
    build_model,
    load_judge,
    write_judge,
)
from training.models.fashion_judge.train import (
    Recipe,
    build_augmentation,
    fit,
    measure,
    stream_varied,
    train,
)

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
SMALL = Recipe(epochs=2, batch_size=50)


@pytest.fixture(scope="module")
def sample(fashion_sample: Rows) -> Sample:
    return Sample(fashion_sample.inputs, fashion_sample.labels.astype(np.uint8))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


@pytest.fixture(scope="module")
def facts() -> Any:
    return json.loads((JUDGE_DIR / FACTS).read_text())


@pytest.fixture
def written(tmp_path: Path, sample: Sample) -> Path:
    model = build_model(0.0)
    run = provenance.begin_run(seed=7)
    ran = run.finish((fashion_mnist.describe({"test": 200}),), 0, {})
    rows = Rows(sample.images, sample.labels)
    write_judge(model, ran, measure(model, {"test": rows}), tmp_path)
    return tmp_path


def vary(images: npt.NDArray[np.uint8], shift: int) -> npt.NDArray[np.float32]:
    augment = build_augmentation(shift, seed=1)
    pixels = images[..., None].astype(np.float32)
    return np.asarray(augment(pixels, training=True))[..., 0]


def test_the_committed_judge_knows_clothing_it_never_learnt(
    judge: Judge, sample: Sample
) -> None:
    judged = judge.probabilities(sample.images).argmax(axis=1)

    assert np.mean(judged == sample.labels) >= 0.87


@pytest.mark.slow
def test_what_the_facts_say_of_the_test_images_is_so(judge: Judge, facts: Any) -> None:
    folder = DEFAULT_DATA_DIR / "fashion-mnist"
    if not all((folder / name).exists() for name in fashion_mnist.SHA256):
        pytest.skip("Fashion-MNIST is not there")
    data = fashion_mnist.load(sources=())

    judged = judge.probabilities(data.test_images).argmax(axis=1)

    assert np.mean(judged == data.test_labels) >= 0.91
    said = facts["metrics"]["test"]["errors"]
    # Another processor rounds otherwise, and tips a coat into a pullover.
    assert np.sum(judged != data.test_labels) == pytest.approx(said, abs=3)


def test_no_training_image_of_a_generator_is_the_judges(
    fashion_data: ImageSet,
) -> None:
    judges, others = take_judges_part(fashion_data), take_generators_part(fashion_data)

    mine, theirs = (
        {image.tobytes() for image in part.train_images} for part in (judges, others)
    )
    assert len(mine) == 50
    assert len(theirs) == 150
    assert mine.isdisjoint(theirs)
    assert (np.bincount(judges.train_labels) == 5).all()
    np.testing.assert_array_equal(others.test_images, fashion_data.test_images)


def test_the_judge_learnt_only_from_its_own_part(facts: Any) -> None:
    rows = facts["training"]["data"][0]["rows"]

    assert rows["train"] + rows["validation"] == 60_000 // SHARE


def test_the_first_judge_is_kept_for_what_it_said() -> None:
    said = read_manifest(ARTIFACTS / "clothing_vae" / "1").metrics["drawing"]

    assert load_judge(FIRST_JUDGE_DIR).sha256 == said["judge_sha256"]
    assert load_judge().sha256 != said["judge_sha256"]


def test_the_judge_sees_features_and_categories(judge: Judge, sample: Sample) -> None:
    look = judge.look(sample.images)

    assert look.features.shape == (200, FEATURES)
    assert look.features.dtype == look.probabilities.dtype == np.float32
    assert look.features.min() == 0
    np.testing.assert_allclose(look.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(judge.features(sample.images), look.features)


def test_an_image_looks_the_same_alone_and_in_company(
    judge: Judge, sample: Sample
) -> None:
    images = np.tile(sample.images, (3, 1, 1))  # more than are looked at together

    together = judge.look(images)
    alone = judge.look(sample.images[77:78])

    assert together.features.shape == (600, FEATURES)
    np.testing.assert_allclose(together.features[477], alone.features[0], atol=1e-3)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 28, 28), np.float32),
        np.zeros((2, 28, 28, 1), np.uint8),
        np.zeros((28, 28), np.uint8),
        np.zeros((0, 28, 28), np.uint8),
    ],
    ids=["floats", "channels", "one image", "none"],
)
def test_what_is_no_batch_of_images_is_refused(
    judge: Judge, images: npt.NDArray[Any]
) -> None:
    with pytest.raises(ValueError, match=r"images: expected .* received"):
        judge.look(images)


def test_a_judge_that_was_written_is_the_one_that_is_loaded(
    written: Path, sample: Sample
) -> None:
    loaded = load_judge(written)
    facts = json.loads((written / FACTS).read_text())
    judged = loaded.probabilities(sample.images).argmax(axis=1)

    assert loaded.sha256 == facts["sha256"]
    assert facts["metrics"]["test"]["errors"] == np.sum(judged != sample.labels)
    assert facts["training"]["seed"] == 7


def test_weights_of_another_judge_are_refused(written: Path) -> None:
    content = (written / WEIGHTS).read_bytes()
    (written / WEIGHTS).write_bytes(content[:-1] + b"!")
    expected = hashlib.sha256(content).hexdigest()

    with pytest.raises(JudgeUnusable, match=f"expected SHA-256 {expected}, received"):
        load_judge(written)


@pytest.mark.parametrize("name", [WEIGHTS, FACTS])
def test_a_judge_that_is_absent_is_named(written: Path, name: str) -> None:
    (written / name).unlink()

    with pytest.raises(JudgeUnusable, match=f"{name}: no judge; train one"):
        load_judge(written)


@pytest.mark.slow
def test_training_lowers_the_loss(sample: Sample) -> None:
    rows = Rows(sample.images, sample.labels)
    tf.keras.utils.set_random_seed(1)

    with untraced():
        history = fit(build_model(0.3), Splits(rows, rows, rows), SMALL, seed=1)

    assert history["loss"][-1] < history["loss"][0]
    assert len(history["val_accuracy"]) == SMALL.epochs


def test_a_judge_that_is_kept_is_not_trained_again(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (written / WEIGHTS).read_bytes()
    monkeypatch.setattr(fashion_judge, "JUDGE_DIR", written)

    train(RunOptions(data_dir=written / "nothing"))

    assert (written / WEIGHTS).read_bytes() == before


def test_an_image_that_may_not_move_is_mirrored_or_untouched(sample: Sample) -> None:
    varied = vary(sample.images, 0)

    same = (varied == sample.images).all(axis=(1, 2))
    mirrored = (varied == sample.images[:, :, ::-1]).all(axis=(1, 2))
    assert (same | mirrored).all()
    assert 60 < same.sum() < 140


def test_an_image_moves_by_whole_pixels_each_its_own_way() -> None:
    images = np.zeros((400, 28, 28), np.uint8)
    images[:, 10, 14] = 9

    _, rows, columns = np.nonzero(vary(images, 2))

    assert set(rows) == {8, 9, 10, 11, 12}
    assert set(columns) == set(range(11, 17))  # 13 or 14 when mirrored, two either way


def test_the_stream_is_the_same_in_each_run_and_new_in_each_epoch(
    sample: Sample,
) -> None:
    rows = Rows(sample.images, sample.labels)
    recipe = dataclasses.replace(SMALL, batch_size=100)

    first, second = (
        [images.numpy() for images, _ in stream_varied(rows, recipe, 9).take(4)]
        for _ in range(2)
    )

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[2])


def test_the_judge_is_cheap_to_ask() -> None:
    model = build_model(0.3)

    # By hand: 2 × places × kernel, of six convolutions and two dense layers.
    flop = 2 * (
        28**2 * 9 * 24
        + 14**2 * 9 * (24 * 36 + 36 * 36)
        + 7**2 * 9 * (36 * 72 + 72 * 72)
        + 3**2 * 9 * 72 * 96
        + 9 * 96 * 96
        + 96 * 10
    )
    assert provenance.count_mflop(model) == pytest.approx(flop / 1e6)
    assert as_judge(model, "me").sha256 == "me"
