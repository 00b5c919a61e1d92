"""Pictures of digits to MNIST's form. No classifier here: shapes are compared.

That the digits are read right, by the model that ships, is for the tests of the server.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageFilter

from service.errors import InvalidImage
from service.models.digits.handwriting import WORKING_SIDE, is_prepared, prepare_digit
from service.web.imaging.decode import read_drawing
from tests.data.images.paint import drawn, mnist, outlined, placed, tight

DATA = Path(__file__).parents[2] / "data"
PICTURES = sorted(
    path
    for path in (DATA / "images").iterdir()
    if path.suffix in (".jpg", ".png", ".gif", ".webp")
)
DIGITS = [path for path in PICTURES if re.search(r"-\d-", path.name)]
BLANKS = [path for path in PICTURES if path.name.startswith("blank")]


@pytest.fixture(scope="session")
def sample() -> np.ndarray:
    """Real test images of MNIST, uint8 (257, 28, 28)."""
    with np.load(DATA / "mnist_sample.npz") as data:
        images: np.ndarray = data["images"]
    return images


def prepared(path: Path) -> np.ndarray:
    data = path.read_bytes()
    return prepare_digit(
        read_drawing(data, max_pixels=1_000_000, long_side=WORKING_SIDE)
    )


def canvas(
    digit: int, pen: float = 30, part: float = 0.7, side: int = 280
) -> np.ndarray:
    """White ink on black, uint8 (side, side)."""
    ink = placed(drawn(digit, pen), part, (0.52, 0.47), size=(side, side))
    return (ink * 255).astype(np.uint8)


@cache
def clean(digit: int) -> np.ndarray:
    """What a digit on a canvas becomes."""
    shape: np.ndarray = prepare_digit(canvas(digit))
    shape.flags.writeable = False
    return shape


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two pictures when both are a little blurred, at most 1."""
    blurred = [
        np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(1)), float)
        for each in (one, other)
    ]
    return float(np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1])


def assert_alike(made: list[np.ndarray], true: np.ndarray) -> None:
    """Most are almost the same; one in ten may have lost a stroke that stood apart."""
    alike = [likeness(*pair) for pair in zip(made, true, strict=False)]
    assert np.median(alike) > 0.95
    assert np.quantile(alike, 0.1) > 0.88


def assert_mnist_like(digit: np.ndarray) -> None:
    assert digit.shape == (28, 28)
    assert digit.dtype == np.uint8
    assert is_prepared(digit)
    assert digit.max() == 255
    assert 25 < digit.sum() / 255 < 330  # MNIST: 20 to 312
    bright = (digit > 200).sum() / (digit > 0).sum()
    assert bright > 0.3, "strokes are faint"


def test_mnist_passes_through_byte_for_byte(sample: np.ndarray) -> None:
    for image in sample:
        assert np.array_equal(prepare_digit(image), image)


def test_negative_of_mnist_ends_as_mnist(sample: np.ndarray) -> None:
    for image in sample:
        assert np.array_equal(prepare_digit(255 - image), image)


def test_mnist_in_three_equal_channels_passes_through(sample: np.ndarray) -> None:
    for image in sample[:50]:
        assert np.array_equal(prepare_digit(image[..., None].repeat(3, axis=2)), image)


def test_shifted_mnist_moves_back_to_the_middle(sample: np.ndarray) -> None:
    shifted = np.roll(sample, (-3, 2), axis=(1, 2))
    assert_alike([prepare_digit(each) for each in shifted], sample)


@pytest.mark.parametrize("how", [Image.Resampling.NEAREST, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("side", [56, 140, 280, 1000])
def test_enlarged_mnist_comes_back(
    sample: np.ndarray, side: int, how: Image.Resampling
) -> None:
    large = [Image.fromarray(each).resize((side, side), how) for each in sample[:50]]
    assert_alike([prepare_digit(np.asarray(each)) for each in large], sample)


@pytest.mark.parametrize("path", DIGITS, ids=lambda path: path.stem)
def test_every_picture_takes_the_form_of_mnist(path: Path) -> None:
    assert_mnist_like(prepared(path))


@pytest.mark.parametrize(
    "path",
    [path for path in DIGITS if not path.name.startswith("mnist")],
    ids=lambda path: path.stem,
)
def test_every_picture_shows_the_digit_in_its_name(path: Path) -> None:
    """Of the ten digits as the pen draws them, its own is the most alike."""
    true = int(re.findall(r"-(\d)-", path.name)[0])
    picture = prepared(path)
    if re.search("felt-pen|grainy", path.name):  # MNIST's own, by another hand
        assert likeness(picture, mnist(true)) > 0.85
        return
    alike = [likeness(picture, clean(digit)) for digit in range(10)]
    assert int(np.argmax(alike)) == true
    assert alike[true] > 0.8


@pytest.mark.parametrize("path", BLANKS, ids=lambda path: path.stem)
def test_blank_picture_is_refused(path: Path) -> None:
    with pytest.raises(InvalidImage, match=r"is blank: expected .* received no ink"):
        prepared(path)


@pytest.mark.parametrize("level", [0, 100, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 300), (2, 900), (40, 30, 3)])
def test_even_grey_is_blank(level: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidImage):
        prepare_digit(np.full(shape, level, np.uint8))


@pytest.mark.parametrize("low", [0, 100, 245])
@pytest.mark.parametrize("side", [28, 120, 280])
def test_noise_is_blank(low: int, side: int) -> None:
    rng = np.random.default_rng(side + low)
    with pytest.raises(InvalidImage):
        prepare_digit(rng.integers(low, low + 11, (side, side)).astype(np.uint8))


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_gradient_is_blank(angle: int) -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:300j]
    slope = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    with pytest.raises(InvalidImage):
        prepare_digit((127 + 90 * slope).astype(np.uint8))


def test_polarity_does_not_matter() -> None:
    for digit in range(10):
        white_on_black = canvas(digit)
        one, other = prepare_digit(white_on_black), prepare_digit(255 - white_on_black)
        assert np.abs(one.astype(int) - other).max() <= 40
        assert likeness(one, other) > 0.995


@settings(max_examples=40)
@given(
    digit=st.integers(0, 9),
    side=st.integers(120, 900),
    part=st.floats(0.4, 0.9),
    levels=st.tuples(st.integers(0, 255), st.integers(0, 255)).filter(
        lambda pair: abs(pair[0] - pair[1]) > 100
    ),
)
def test_size_and_grey_levels_do_not_matter(
    digit: int, side: int, part: float, levels: tuple[int, int]
) -> None:
    ink = canvas(digit, part=part, side=side) / 255
    paper_level, ink_level = levels
    picture = paper_level + ink * (ink_level - paper_level)
    shape = prepare_digit(picture.astype(np.uint8))
    assert_mnist_like(shape)
    assert likeness(shape, clean(digit)) > 0.85


@pytest.mark.parametrize("pen", [3, 6, 12, 24, 48])
def test_thin_and_thick_pens_come_out_alike(pen: float) -> None:
    for digit in range(10):
        shape = prepare_digit(255 - canvas(digit, pen=pen))
        assert_mnist_like(shape)
        assert likeness(shape, clean(digit)) > 0.85


def test_ink_of_the_same_brightness_as_the_paper_is_seen() -> None:
    ink = canvas(4)[..., None] / 255
    red, green = np.array([200, 60, 60]), np.array([20, 136, 111])
    picture = (ink * red + (1 - ink) * green).astype(np.uint8)
    luma = np.asarray(Image.fromarray(picture).convert("L"))
    assert int(luma.max()) - int(luma.min()) < 12
    assert likeness(prepare_digit(picture), clean(4)) > 0.95


def test_frame_specks_and_cut_off_neighbours_are_left_out() -> None:
    framed = canvas(8)
    framed[[8, 9, 270, 271], 8:272] = 255
    framed[8:272, [8, 9, 270, 271]] = 255
    specked = canvas(8)
    specked[[20, 40, 250, 260], [200, 30, 40, 220]] = 255
    cornered = canvas(8)
    cornered[100:200, :25] = 255
    for picture in (framed, specked, cornered):
        assert likeness(prepare_digit(picture), clean(8)) > 0.98


def test_strokes_that_do_not_touch_stay_together() -> None:
    five = canvas(5)
    five[95:101] = 0  # a gap below the bar
    assert likeness(prepare_digit(five), clean(5)) > 0.9


def test_digit_that_touches_the_border_is_kept() -> None:
    for digit in range(10):
        ink = canvas(digit)
        assert likeness(prepare_digit(tight(255 - ink)), prepare_digit(ink)) > 0.85


@pytest.mark.parametrize("light", ["lamp at the side", "shadow", "soft shadow", "dusk"])
def test_thick_strokes_survive_every_light(sample: np.ndarray, light: str) -> None:
    y, x = np.mgrid[0:1:448j, 0:1:448j]
    falls = {
        "lamp at the side": 0.4 + 0.6 * x,
        "shadow": 1 - 0.5 * (x + y > 0.9),
        "soft shadow": 1 - 0.5 / (1 + np.exp((0.9 - x - y) / 0.02)),
        "dusk": 0.3 + 0 * x,
    }[light]
    paper = [240 * falls * (1 - 0.8 * outlined(each)) for each in sample[:60]]
    assert_alike([prepare_digit(each.astype(np.uint8)) for each in paper], sample)


@settings(max_examples=150)
@given(
    arrays(
        np.uint8,
        st.one_of(
            array_shapes(min_dims=2, max_dims=2, max_side=40),
            array_shapes(min_dims=2, max_dims=2, max_side=40).map(lambda s: (*s, 3)),
        ),
    )
)
def test_any_array_gives_a_digit_or_invalid_image(pixels: np.ndarray) -> None:
    try:
        shape = prepare_digit(pixels)
    except InvalidImage:
        return
    assert shape.shape == (28, 28)
    assert shape.dtype == np.uint8
    assert shape.any()


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    coarse=st.integers(1, 30),
    channels=st.sampled_from([1, 3]),
)
def test_any_blotches_give_a_digit_or_invalid_image(
    seed: int, height: int, width: int, coarse: int, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, 256, (coarse, coarse, channels), np.uint8).squeeze(
        axis=2 if channels == 1 else ()
    )
    pixels = np.asarray(Image.fromarray(spots).resize((width, height)))
    before = pixels.copy()
    try:
        shape = prepare_digit(pixels)
    except InvalidImage:
        return
    finally:
        assert np.array_equal(pixels, before), "the input was changed"
    assert shape.shape == (28, 28)
    assert shape.dtype == np.uint8


def test_read_only_pixels_are_enough() -> None:
    pixels = canvas(3)
    pixels.flags.writeable = False
    assert_mnist_like(prepare_digit(pixels))
