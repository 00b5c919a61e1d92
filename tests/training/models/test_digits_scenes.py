"""The pictures that the digits model is trained on: scenes, rows, spoilt images."""

import numpy as np
import pytest
import tensorflow as tf

from service.models.digits.finding import FINE
from service.models.digits.form import is_prepared
from tests.models.digits.test_form import likeness
from tests.training.conftest import Sample
from training.models.digits.reading import draw_rows, name_box
from training.models.digits.scenes import Scene, make_scene
from training.models.digits.spoiling import WAYS, spoil
from training.models.digits.strokes import (
    FONTS,
    LETTERS,
    LIKE_DIGITS,
    draw,
    letter,
    trace,
    vary,
)
from training.models.digits.writing import NO_DIGIT, Hand


@pytest.fixture(scope="module")
def hand(mnist_sample: Sample) -> Hand:
    images, labels = mnist_sample.images[:80], mnist_sample.labels[:80]
    return Hand(images, [trace(image) for image in images], labels)


@pytest.fixture(scope="module")
def scenes(hand: Hand) -> list[Scene]:
    return [make_scene(hand, 1, number) for number in range(120)]


def test_a_scene_is_made_of_its_seed_and_its_number(
    hand: Hand, scenes: list[Scene]
) -> None:
    again, other = make_scene(hand, 1, 7), make_scene(hand, 2, 7)
    assert np.array_equal(again.picture, scenes[7].picture)
    assert np.array_equal(again.ink, scenes[7].ink)
    assert not np.array_equal(other.picture, scenes[7].picture)


def test_ink_and_cores_lie_where_something_was_written(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.picture.shape == (FINE, FINE, 3)
        assert len(scene.labels) == len(scene.boxes)
        within = np.zeros((FINE, FINE), bool)
        for left, top, right, bottom in np.array(scene.boxes, int).reshape(-1, 4):
            assert (scene.ink[top:bottom, left:right] > 127).any()
            assert scene.cores[top // 2 : bottom // 2 + 1].any()
            top, left = max(top - 2, 0), max(left - 2, 0)
            within[top : bottom + 2, left : right + 2] = True
        assert not (scene.ink[~within] > 127).any()


def test_scenes_show_every_digit_letters_numbers_and_nothing(
    scenes: list[Scene],
) -> None:
    labels = {label for scene in scenes for label in scene.labels}
    assert labels == {*range(10), NO_DIGIT}
    counts = {len(scene.labels) for scene in scenes}
    assert {0, 1, 2, 3} <= counts


def test_a_traced_digit_is_drawn_as_it_was(mnist_sample: Sample, hand: Hand) -> None:
    alike = []
    for image, glyph in zip(mnist_sample.images, hand.glyphs, strict=False):
        rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
        middle = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
        drawn = draw(glyph, (28, 28), middle.astype(np.float32), 17.5, 2.4)
        alike.append(likeness(drawn, image))
    assert np.median(alike) > 0.9
    assert np.quantile(alike, 0.1) > 0.75


def test_another_hand_writes_otherwise_but_not_larger(hand: Hand) -> None:
    random = np.random.default_rng(0)
    for glyph in hand.glyphs[:20]:
        other = vary(glyph, random)
        assert other.size.max() == pytest.approx(1, abs=1e-3)
        assert not np.allclose(other.points, glyph.points, atol=1e-3)


def test_letters_like_digits_are_left_out_and_all_others_can_be_drawn() -> None:
    assert not set(LETTERS) & set(LIKE_DIGITS)
    for font in FONTS:
        assert all(len(letter(each, font).edges) for each in LETTERS)


def test_rows_are_drawn_of_what_mnist_has_not(hand: Hand) -> None:
    rows, again = draw_rows(hand, 10, 3), draw_rows(hand, 10, 3)
    np.testing.assert_array_equal(rows.inputs, again.inputs)
    assert set(rows.labels.tolist()) == {1, 7, NO_DIGIT}
    digits = rows.inputs[rows.labels != NO_DIGIT]
    assert len(digits) == 20
    assert all(map(is_prepared, digits))


def test_what_is_cut_out_has_the_label_of_what_is_there() -> None:
    labels, boxes = [3, 8], [(10.0, 10.0, 30.0, 50.0), (60.0, 10.0, 80.0, 50.0)]
    assert name_box((11, 9, 30, 52), labels, boxes) == 3
    assert name_box((59, 12, 79, 50), labels, boxes) == 8
    assert name_box((100, 100, 120, 140), labels, boxes) == NO_DIGIT
    assert name_box((10, 10, 80, 20), labels, boxes) is None  # a bit of both
    assert name_box((10, 10, 80, 20), [], []) == NO_DIGIT


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_images_are_spoilt_each_in_its_own_way(
    mnist_sample: Sample, way: object
) -> None:
    images = tf.constant(mnist_sample.images[:12].astype(np.float32))
    seed = tf.constant([4, 2], tf.int64)
    spoilt, again = (way(images, seed).numpy() for _ in range(2))  # type: ignore[operator]
    np.testing.assert_array_equal(spoilt, again)
    assert spoilt.shape == images.shape
    assert all(np.abs(a - b).mean() > 0.2 for a, b in zip(spoilt, images, strict=True))


def test_a_quarter_of_a_batch_is_spoilt(mnist_sample: Sample) -> None:
    images = tf.constant(mnist_sample.images[:40].astype(np.float32))
    for number in range(8):
        spoilt = spoil(images, tf.constant([1, number], tf.int64)).numpy()
        np.testing.assert_array_equal(spoilt[10:], images[10:])
        assert spoilt.min() >= 0
        assert spoilt.max() <= 255
        assert np.abs(spoilt[:10] - images[:10]).mean() > 0.5
