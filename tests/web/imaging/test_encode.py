"""Arrays to files: every pixel in its place, equal bytes from equal arrays."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageSequence

from service.web.imaging.encode import (
    END_MS,
    FRAME_MS,
    GAP_SHADE,
    lay_out,
    lay_out_by_kind,
    squarest,
    to_gif,
    to_png,
    to_zip,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 28, 28), np.uint8)


def read(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("scale", [1, 2, 16])
def test_a_png_holds_every_pixel_scale_times(scale: int) -> None:
    pixels = read(to_png(IMAGES[0], scale))

    assert np.array_equal(pixels, np.kron(IMAGES[0], np.ones((scale, scale), np.uint8)))


def test_equal_arrays_give_equal_bytes() -> None:
    assert to_png(IMAGES[0], 3) == to_png(IMAGES[0].copy(), 3)
    assert to_gif(IMAGES, 2) == to_gif(IMAGES.copy(), 2)
    files = {"a.png": b"1", "b.json": b"2"}
    assert to_zip(files) == to_zip(files)


def test_a_zip_holds_the_files_as_they_are_and_no_time() -> None:
    files = {"clothing.json": b"{}", "000-bag.png": to_png(IMAGES[0])}
    with zipfile.ZipFile(io.BytesIO(to_zip(files))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    return sheet[29 * row : 29 * row + 28, 29 * column : 29 * column + 28]


def test_a_sheet_has_a_line_between_its_tiles_and_none_around() -> None:
    sheet = lay_out(IMAGES[:5], 3)

    assert sheet.shape == (2 * 29 - 1, 3 * 29 - 1)
    for index in range(5):
        assert np.array_equal(tile(sheet, *divmod(index, 3)), IMAGES[index])
    assert not tile(sheet, 1, 2).any()
    assert (sheet[28] == GAP_SHADE).all()
    assert (sheet[:, [28, 57]] == GAP_SHADE).all()


def test_a_sheet_by_kind_has_a_row_for_each_kind() -> None:
    sheet = lay_out_by_kind(IMAGES, 5)

    assert sheet.shape == (5 * 29 - 1, 3 * 29 - 1)
    for index in range(12):
        column, row = divmod(index, 5)
        assert np.array_equal(tile(sheet, row, column), IMAGES[index])
    assert not tile(sheet, 4, 2).any()


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (16, 4), (256, 16)]
)
def test_a_sheet_is_nearly_square(count: int, columns: int) -> None:
    assert squarest(count) == columns


@pytest.mark.parametrize("steps", [2, 3, 12])
def test_an_animation_goes_there_and_back_for_ever(steps: int) -> None:
    gif = Image.open(io.BytesIO(to_gif(IMAGES[:steps], 2)))
    shown = [*range(steps), *range(steps - 2, 0, -1)]

    assert gif.info["loop"] == 0
    assert sum(1 for _ in ImageSequence.Iterator(gif)) == len(shown)
    for frame, index in enumerate(shown):
        gif.seek(frame)
        pixels = np.asarray(gif.convert("L"))[::2, ::2]
        assert np.array_equal(pixels, IMAGES[index])
        is_end = index in (0, steps - 1)
        assert gif.info["duration"] == (END_MS if is_end else FRAME_MS)


def test_an_animation_of_one_picture_stands_still() -> None:
    gif = Image.open(io.BytesIO(to_gif(np.stack([IMAGES[0]] * 4))))

    assert np.array_equal(np.asarray(gif.convert("L")), IMAGES[0])
