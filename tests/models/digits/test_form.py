"""Ink to MNIST's form. No classifier here: shapes are compared."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageFilter

from service.models.digits.form import is_prepared, to_form, upright
from tests.data.images.paint import drawn, placed, tight

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def sample() -> np.ndarray:
    """Real test images of MNIST, uint8 (257, 28, 28)."""
    with np.load(DATA / "mnist_sample.npz") as data:
        images: np.ndarray = data["images"]
    return images


def ink(digit: int, pen: float = 30, part: float = 0.7, side: int = 280) -> np.ndarray:
    """A digit without a margin, uint8 (height, width), 255 = ink."""
    canvas = placed(drawn(digit, pen), part, (0.52, 0.47), size=(side, side))
    return ~tight(~(canvas * 255).astype(np.uint8))


@cache
def clean(digit: int) -> np.ndarray:
    shape = to_form(ink(digit))
    shape.flags.writeable = False
    return shape


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two pictures when both are a little blurred, at most 1."""
    blurred = [
        np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(1)), float)
        for each in (one, other)
    ]
    return float(np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1])


def assert_mnist_like(digit: np.ndarray) -> None:
    assert digit.shape == (28, 28)
    assert digit.dtype == np.uint8
    assert is_prepared(digit)
    assert digit.max() == 255
    assert 25 < digit.sum() / 255 < 330  # MNIST: 20 to 312


def test_mnist_has_its_form_and_so_has_its_negative(sample: np.ndarray) -> None:
    for image in sample:
        assert is_prepared(image)
        assert np.array_equal(upright(image), image)
        assert np.array_equal(upright(255 - image), image)


def test_mnist_shifted_has_not(sample: np.ndarray) -> None:
    assert not any(map(is_prepared, np.roll(sample, (-3, 2), axis=(1, 2))))


def test_mnist_that_was_cut_out_and_enlarged_comes_back(sample: np.ndarray) -> None:
    alike = []
    for image in sample[:60]:
        rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
        cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        size = (cut.shape[1] * 6, cut.shape[0] * 6)
        large = np.asarray(Image.fromarray(cut).resize(size, Image.Resampling.BICUBIC))
        alike.append(likeness(to_form(large), image))
    assert np.median(alike) > 0.95
    assert np.quantile(alike, 0.1) > 0.88


@pytest.mark.parametrize("pen", [3, 6, 12, 24, 48])
def test_thin_and_thick_pens_come_out_alike(pen: float) -> None:
    for digit in range(10):
        shape = to_form(ink(digit, pen))
        assert_mnist_like(shape)
        assert likeness(shape, clean(digit)) > 0.85


@settings(max_examples=40)
@given(digit=st.integers(0, 9), side=st.integers(120, 900), part=st.floats(0.4, 0.9))
def test_size_does_not_matter(digit: int, side: int, part: float) -> None:
    shape = to_form(ink(digit, part=part, side=side))
    assert_mnist_like(shape)
    assert likeness(shape, clean(digit)) > 0.85


@settings(max_examples=150)
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=60)).filter(
        lambda pixels: pixels.any()
    )
)
def test_any_ink_takes_the_form(pixels: np.ndarray) -> None:
    before = pixels.copy()
    shape = to_form(pixels)
    assert shape.shape == (28, 28)
    assert shape.dtype == np.uint8
    assert np.array_equal(pixels, before), "the input was changed"
