"""Pictures cut into tiles and joined again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from service.web.imaging.tiles import Tiling

TILING = Tiling((16, 24), 8)


@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_what_was_cut_and_joined_is_as_it_was(height: int, width: int) -> None:
    picture = np.random.default_rng(height).random((height, width, 3))

    tiles = TILING.cut(picture)

    assert tiles.shape == (TILING.count(height, width), 16, 24, 3)
    assert np.array_equal(TILING.join(tiles, height, width), picture)


@pytest.mark.parametrize(
    ("height", "width", "tiles"),
    [(1, 1, 1), (16, 24, 1), (17, 24, 2), (16, 25, 2), (24, 40, 4), (25, 41, 9)],
)
def test_there_are_no_more_tiles_than_it_takes(
    height: int, width: int, tiles: int
) -> None:
    assert TILING.count(height, width) == tiles


def see(picture: np.ndarray) -> np.ndarray:
    """What a model sees that looks as far as half of the overlap."""
    seen: np.ndarray = ndimage.uniform_filter(picture, 9, mode="constant")
    return seen


def test_who_looks_half_the_overlap_far_sees_no_seam() -> None:
    picture = np.random.default_rng(0).random((16 + 8 * 4, 24 + 16 * 3))

    joined = TILING.join(np.stack([*map(see, TILING.cut(picture))]), *picture.shape)

    assert np.allclose(joined, see(picture), atol=1e-12)


def test_who_looks_farther_sees_them() -> None:
    tiling = Tiling((16, 24), 4)
    picture = np.random.default_rng(0).random((16 + 12 * 4, 24 + 20 * 3))

    joined = tiling.join(np.stack([*map(see, tiling.cut(picture))]), *picture.shape)

    assert not np.allclose(joined, see(picture), atol=1e-3)


def test_a_picture_that_is_smaller_than_a_tile_is_mirrored() -> None:
    (tile,) = Tiling((2, 5), 0).cut(np.array([[1, 2]]))

    assert tile.tolist() == [[1, 2, 2, 1, 1]] * 2
