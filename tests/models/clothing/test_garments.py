"""Pictures of garments brought to Fashion-MNIST's form, compared with the originals."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.errors import ImageTooLarge, InvalidImage
from service.models.clothing.garments import is_prepared, prepare_garment, read_garment

SAMPLE = Path(__file__).parents[2] / "data" / "fashion_sample.npz"
NEAREST, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BICUBIC
Colour = tuple[int, int, int]


@pytest.fixture(scope="module")
def garments() -> np.ndarray:
    """Real Fashion-MNIST test images, uint8 (rows, 28, 28)."""
    with np.load(SAMPLE) as data:
        images: np.ndarray = data["images"]
    return images


def rgb(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).convert("RGB")


def enlarged(
    pixels: np.ndarray, times: int, how: Image.Resampling = BICUBIC
) -> np.ndarray:
    size = (28 * times, 28 * times)
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def photo(
    garment: np.ndarray,
    paper: Colour = (253, 253, 253),
    dye: Colour = (20, 20, 60),
    *,
    grain: float = 0.0,
    falloff: float = 0.0,
) -> Image.Image:
    """A garment of this dye on paper, off the middle, with grain and uneven light."""
    share = enlarged(garment, 9)[..., None] / 255
    height, width = 400, 320
    scene = np.empty((height, width, 3))
    scene[:] = np.array(paper) * (1 - falloff * np.linspace(0, 1, width)[:, None])
    part = scene[40 : 40 + 252, 50 : 50 + 252]
    part[:] = part * (1 - share) + np.array(dye) * share
    scene += np.random.default_rng(0).normal(0, grain, scene.shape)
    return Image.fromarray(scene.round().clip(0, 255).astype(np.uint8))


def likeness(prepared: np.ndarray, garment: np.ndarray) -> float:
    """The correlation of two pictures, the best of all shifts by up to a pixel."""
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return max(
        float(np.corrcoef(np.roll(prepared, by, (0, 1)).ravel(), garment.ravel())[0, 1])
        for by in shifts
    )


def test_what_has_the_form_already_comes_back_byte_for_byte(
    garments: np.ndarray,
) -> None:
    for garment in garments:
        assert is_prepared(garment)
        assert np.array_equal(prepare_garment(rgb(garment)), garment)


def test_its_negative_comes_back_as_its_negative(garments: np.ndarray) -> None:
    for garment in garments:
        assert np.array_equal(prepare_garment(rgb(~garment)), garment)


@pytest.mark.parametrize("negated", [False, True], ids=["on black", "on white"])
def test_what_was_enlarged_comes_back_nearly_as_it_was(
    garments: np.ndarray, *, negated: bool
) -> None:
    """The rest are specks and what hardly differs from the background: trimmed."""
    off = []
    for garment in garments[:60]:
        large = enlarged(garment, 8, NEAREST)
        prepared = prepare_garment(rgb(~large if negated else large))
        off.append(np.abs(prepared.astype(int) - garment).mean())
    assert np.mean(off) < 3
    assert np.median(off) < 1


SCENES: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "on white": photo,
    "red on white, grainy": lambda g: photo(g, dye=(160, 20, 30), grain=3),
    "pale on white": lambda g: photo(g, dye=(150, 140, 130), grain=1),
    "black on uneven grey": lambda g: photo(
        g, (220, 215, 205), (15, 15, 15), grain=2, falloff=0.15
    ),
    "white on blue": lambda g: photo(g, (20, 40, 90), (250, 250, 250), grain=2),
    "white on black": lambda g: photo(g, (0, 0, 0), (250, 250, 250)),
    "yellow on green": lambda g: photo(g, (20, 90, 40), (240, 220, 40), grain=2),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_photos_come_near_to_the_images_that_they_were_made_of(
    garments: np.ndarray, scene: Callable[[np.ndarray], Image.Image]
) -> None:
    alike = [
        likeness(prepare_garment(scene(garment)), garment) for garment in garments[:30]
    ]
    assert np.median(alike) > 0.94
    assert np.percentile(alike, 10) > 0.8


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_what_comes_back_has_the_form_of_the_data_set(
    garments: np.ndarray, scene: Callable[[np.ndarray], Image.Image]
) -> None:
    for garment in garments[:10]:
        prepared = prepare_garment(scene(garment))
        assert prepared.dtype == np.uint8
        assert prepared.max() == 254
        rows, columns = prepared.any(axis=1).sum(), prepared.any(axis=0).sum()
        assert max(rows, columns) >= 26


def files(garment: np.ndarray) -> dict[str, bytes]:
    """One picture in the ways in which it may be sent."""
    picture = photo(garment)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90° to the right
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    share = Image.fromarray((enlarged(garment, 9) > 0).astype(np.uint8) * 255)
    cut_out = rgb(~enlarged(garment, 9))
    cut_out.putalpha(share)
    return {
        "png": encoded(picture, "PNG"),
        "jpeg": encoded(picture, "JPEG", quality=90),
        "webp": encoded(picture, "WEBP", quality=90),
        "turned by EXIF": encoded(lying, "JPEG", quality=90, exif=turned),
        "cut out": encoded(cut_out, "PNG"),
        "large": encoded(picture.resize((2400, 3000), BICUBIC), "JPEG", quality=80),
    }


def encoded(picture: Image.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


@pytest.mark.slow
def test_however_it_is_sent_it_is_the_same_garment(garments: np.ndarray) -> None:
    for garment in garments[:10]:
        alike = {
            name: likeness(read_garment(data, max_pixels=10**7), garment)
            for name, data in files(garment).items()
        }
        assert min(alike.values()) > 0.8, alike
        assert max(alike.values()) - min(alike.values()) < 0.1, alike


def test_a_stripe_lighter_than_the_background_keeps_its_place() -> None:
    """Black, grey and white on grey: all three are garment, white the darkest tone."""
    scene = np.full((200, 200, 3), 140, np.uint8)
    scene[40:160, 60:140] = 10
    scene[80:120, 60:140] = 250
    prepared = prepare_garment(Image.fromarray(scene))

    assert prepared[2:8, 8:20].min() > 240
    assert prepared[11:17, 8:20].max() < 20


def test_specks_are_no_garment(garments: np.ndarray) -> None:
    scene = np.array(photo(garments[0]))
    scene[5:8, 300:303] = 0
    assert np.array_equal(
        prepare_garment(Image.fromarray(scene)), prepare_garment(photo(garments[0]))
    )


@pytest.mark.parametrize("shade", [0, 120, 255])
def test_a_blank_picture_is_refused(shade: int) -> None:
    with pytest.raises(InvalidImage, match="expected a garment that stands out"):
        prepare_garment(Image.new("RGB", (300, 200), (shade,) * 3))
    with pytest.raises(InvalidImage):
        prepare_garment(Image.new("RGB", (28, 28), (shade,) * 3))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 500), (3000, 2)])
def test_any_size_is_read_or_refused_and_nothing_else(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    try:
        prepared = prepare_garment(Image.fromarray(noise))
    except InvalidImage:
        return
    assert prepared.shape == (28, 28)


def test_a_picture_of_too_many_pixels_is_refused(garments: np.ndarray) -> None:
    data = encoded(photo(garments[0]), "PNG")
    with pytest.raises(ImageTooLarge):
        read_garment(data, max_pixels=1000)
