"""The pictures of what a generator draws are whole, legible and in order."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.training.conftest import DATA
from training.datasets.fashion_mnist import CATEGORIES
from training.plots import generation as report


@pytest.fixture(scope="module")
def clothing() -> npt.NDArray[np.uint8]:
    """Five real images of each category."""
    with np.load(DATA / "fashion_sample.npz") as file:
        order = np.argsort(file["labels"], kind="stable")
        images: npt.NDArray[np.uint8] = file["images"][order]
    return images.reshape(10, 20, 28, 28)[:, :5]


def opened(png: bytes) -> Image.Image:
    assert len(png) < 300_000
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert min(image.size) > 150
    return image


@pytest.mark.parametrize("scale", [1, 3])
def test_a_grid_shows_every_image_as_it_is(
    clothing: npt.NDArray[np.uint8], scale: int
) -> None:
    png = report.draw_grid(clothing, CATEGORIES, scale=scale)

    sheet = np.asarray(opened(png))
    step = 28 * scale + 4
    for row, column in np.ndindex(10, 5):
        y, x = 4 + row * step, 84 + column * step
        drawn = sheet[y : y + 28 * scale : scale, x : x + 28 * scale : scale]
        np.testing.assert_array_equal(drawn, clothing[row, column])


def test_every_row_of_a_grid_has_its_name(clothing: npt.NDArray[np.uint8]) -> None:
    sheet = np.asarray(opened(report.draw_grid(clothing, CATEGORIES)))

    names = sheet[4 : 4 + 600, :84].reshape(10, 60, 84)
    assert (names.max(axis=(1, 2)) > 200).all()
    assert (names[:, :, -1] < 50).all()  # none runs into the pictures
    assert len({name.tobytes() for name in names}) == 10


def test_an_animation_has_a_frame_for_each_epoch_and_rests_on_the_last(
    clothing: npt.NDArray[np.uint8],
) -> None:
    frames = {1: clothing // 4, 5: clothing // 2, 10: clothing}

    gif = Image.open(io.BytesIO(report.draw_epochs(frames, CATEGORIES)))

    durations = []
    for number, drawn in enumerate(frames.values()):
        gif.seek(number)
        sheet = np.asarray(gif.convert("L"))
        assert abs(sheet[25:81:2, 84:140:2].astype(int) - drawn[0, 0]).max() < 8
        durations.append(gif.info["duration"])
    assert gif.n_frames == 3  # type: ignore[attr-defined]
    assert gif.info["loop"] == 0
    assert durations[-1] > 5 * durations[0]


def test_an_epoch_is_written_on_its_frame(clothing: npt.NDArray[np.uint8]) -> None:
    gif = Image.open(
        io.BytesIO(report.draw_epochs({1: clothing, 2: clothing}, CATEGORIES))
    )

    captions = []
    for number in range(2):
        gif.seek(number)
        captions.append(np.asarray(gif.convert("L"))[:21])
    assert not np.array_equal(captions[0], captions[1])


@pytest.mark.parametrize("epochs", [1, 60])
def test_both_players_share_a_plot_and_other_series_have_their_own(
    epochs: int,
) -> None:
    curve = list(np.linspace(2.0, 0.5, epochs))
    players = {"generator": curve, "discriminator": curve[::-1]}

    alone = opened(report.draw_players(players))
    more = opened(report.draw_players(players | {"frechet distance": curve}))

    assert more.width == 2 * alone.width
