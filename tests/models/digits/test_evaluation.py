"""The measurement of the digits endpoint: its pictures, and its counting."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.models.predicting import ARTIFACTS
from training.models.digits.evaluation.corruptions import CORRUPTIONS, accuracies
from training.models.digits.evaluation.files import HeldOut
from training.models.digits.evaluation.ink import draw, trace
from training.models.digits.evaluation.kinds import GROUPS, KINDS
from training.models.digits.evaluation.measurement import (
    count,
    pictures,
    wilson,
)
from training.models.digits.evaluation.outcomes import judge
from training.models.digits.evaluation.scenes import Picture

BLANK = ("empty-cell", "empty-paper")
WRITTEN = [*GROUPS["photos"], *GROUPS["drawn"], *GROUPS["numbers"]]


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    with np.load(ARTIFACTS.parent / "tests" / "data" / "mnist_sample.npz") as file:
        return HeldOut(file["images"], file["labels"])


def picture(kind: str, held_out: HeldOut, seed: int = 7) -> Picture:
    return next(pictures(kind, held_out, 1, seed))


def number(answer: str) -> Picture:
    return Picture(b"", "image/jpeg", answer, (100, 100, 300, 300))


@pytest.mark.parametrize("kind", ["blinds", "number-squared", "natural", "fog"])
def test_the_same_seed_makes_the_same_bytes_and_another_one_others(
    kind: str, held_out: HeldOut
) -> None:
    assert picture(kind, held_out) == picture(kind, held_out)
    assert picture(kind, held_out).data != picture(kind, held_out, 8).data


def test_more_pictures_go_on_where_fewer_ended(held_out: HeldOut) -> None:
    few, more = (list(pictures("optdigits", held_out, each, 7)) for each in (2, 3))

    assert more[:2] == few


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_picture_with_its_ink_inside(
    kind: str, held_out: HeldOut
) -> None:
    made = picture(kind, held_out)

    image = Image.open(io.BytesIO(made.data))
    assert Image.MIME[image.format or ""] == made.media_type
    assert bool(made.answer) == (kind not in GROUPS["no-digit"])
    if kind in WRITTEN:
        assert made.box
        left, top, right, bottom = made.box
        assert 0 < left < right < image.width
        assert 0 < top < bottom < image.height
        inked = np.asarray(image.crop(made.box).convert("RGB"), float)
        assert inked.std(axis=(0, 1)).max() > 4  # grey levels: it can be seen
    if kind in BLANK:
        assert made.box is None


def test_a_traced_digit_drawn_again_covers_what_it_covered(held_out: HeldOut) -> None:
    rng = np.random.default_rng(1)
    for image in held_out.images[:40]:
        ink = np.argwhere(image > 100)
        middle, side = (ink.min(0) + ink.max(0)) / 2, np.ptp(ink, axis=0).max() - 2
        strokes = [each * side + middle[::-1] + 0.5 for each in trace(image)]

        drawn = draw(strokes, (28, 28), 3, rng)

        overlap = (
            np.minimum(drawn, image / 255).sum() / np.maximum(drawn, image / 255).sum()
        )
        assert overlap > 0.3


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_an_image_and_keeps_its_form(
    name: str, held_out: HeldOut
) -> None:
    before = held_out.images[0].copy()
    first, again = (
        CORRUPTIONS[name](before, np.random.default_rng(3)) for _ in range(2)
    )

    assert first.shape == (28, 28)
    assert first.dtype == np.uint8
    assert (first != before).any()
    np.testing.assert_array_equal(before, held_out.images[0])
    np.testing.assert_array_equal(first, again)


def test_accuracy_under_corruptions_is_that_of_what_predicts(held_out: HeldOut) -> None:
    images, labels = held_out.images[:8], held_out.labels[:8]

    right = accuracies(images, labels, lambda rows: labels)
    wrong = accuracies(images, labels, lambda rows: (labels + 1) % 10)

    assert right == dict.fromkeys(CORRUPTIONS, 1.0)
    assert wrong == dict.fromkeys(CORRUPTIONS, 0.0)


def test_a_digit_is_right_where_it_was_found_and_read() -> None:
    box = {"left": 90, "top": 90, "width": 200, "height": 220}

    outcome = judge(number("5"), {"digit": 5, "box": box, "warning": "?"}, None, 1.0)
    elsewhere = judge(number("5"), {"digit": 6, "box": box | {"left": 300}}, None, 1.0)

    assert (outcome.right, outcome.found, outcome.warned) == (True, True, True)
    assert (elsewhere.right, elsewhere.found, elsewhere.warned) == (False, False, False)


@pytest.mark.parametrize(
    ("prediction", "code", "right"),
    [
        ({"digit": 5}, None, False),
        ({"digit": 5, "no_digit": 0.4}, None, False),
        ({"digit": 5, "no_digit": 0.6}, None, True),
        ({"digit": 5, "warning": "several digits"}, None, True),
        ({}, "invalid_image", True),
    ],
)
def test_what_is_no_digit_is_right_if_the_answer_says_so(
    prediction: dict[str, object], code: str | None, *, right: bool
) -> None:
    assert judge(number(""), prediction, code, 1.0).right == right


@pytest.mark.parametrize(
    ("read", "share"), [("2026", 1.0), ("226", 0.75), ("2", 0.25), ("6220", 0.5)]
)
def test_digits_of_a_number_count_in_their_order(read: str, share: float) -> None:
    outcome = judge(number("2026"), {"number": read}, None, 1.0)

    assert outcome.digits_right == share
    assert outcome.right == (share == 1)


def test_wilsons_interval_is_that_of_published_examples() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_a_row_counts_its_outcomes() -> None:
    outcomes = [
        judge(number("5"), {"digit": 5}, None, 10.0),
        judge(number("5"), {}, "invalid_image", 30.0),
    ]

    row = count("plain-paper", outcomes)

    assert (row.rows, row.right, row.errors, row.warned) == (2, 0.5, 0.5, 0.0)
    assert (row.ms, row.found) == (20.0, None)
