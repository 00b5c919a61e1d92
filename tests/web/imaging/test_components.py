"""Parts of a mask, against the plain way to find them: flooding pixel by pixel."""

import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from service.web.imaging.components import connected

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14))

SPIRAL = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [1, 0, 0, 0, 1, 0],
        [1, 0, 1, 0, 1, 0],
        [1, 0, 1, 1, 1, 0],
        [1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1],
    ],
    bool,
)


def flooded(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    parts = []
    while left:
        pending, part = [min(left)], set()
        while pending:
            y, x = pending.pop()
            if (y, x) in left:
                left.remove((y, x))
                part.add((y, x))
                pending += [(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)]
        parts.append(part)
    return parts


@given(MASKS)
def test_parts_are_those_that_flooding_finds(mask: np.ndarray) -> None:
    parts = connected(mask)
    expected = flooded(mask)
    assert len(parts.area) == len(expected)
    for number, pixels in enumerate(expected):
        alone = parts.painted(np.arange(len(expected)) == number)
        assert {(int(y), int(x)) for y, x in np.argwhere(alone)} == pixels


@given(MASKS)
def test_measures_are_those_of_the_pixels(mask: np.ndarray) -> None:
    parts = connected(mask)
    for number, pixels in enumerate(flooded(mask)):
        rows, columns = [y for y, _ in pixels], [x for _, x in pixels]
        box = (min(rows), min(columns), max(rows), max(columns))
        assert tuple(parts.box[:, number]) == box
        assert parts.area[number] == len(pixels)


@given(MASKS)
def test_all_parts_together_are_the_mask(mask: np.ndarray) -> None:
    parts = connected(mask)
    assert np.array_equal(parts.painted(np.ones(len(parts.area), bool)), mask)


def test_a_spiral_is_one_part() -> None:
    assert len(connected(SPIRAL).area) == 1
