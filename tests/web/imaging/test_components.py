"""Parts of a mask, against the plain way to find them: flooding pixel by pixel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
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
    assert len(parts.first) == len(expected)
    for number, pixels in enumerate(expected):
        alone = parts.painted(np.arange(len(expected)) == number)
        assert {(int(y), int(x)) for y, x in np.argwhere(alone)} == pixels


@given(MASKS)
def test_measures_are_those_of_the_pixels(mask: np.ndarray) -> None:
    parts = connected(mask)
    height, width = mask.shape
    for number, pixels in enumerate(flooded(mask)):
        rows, columns = [y for y, _ in pixels], [x for _, x in pixels]
        box = (min(rows), min(columns), max(rows), max(columns))
        assert tuple(parts.box[:, number]) == box
        assert parts.size[number] == max(box[2] - box[0], box[3] - box[1]) + 1
        assert parts.area[number] == len(pixels)
        assert tuple(parts.contact[:, number]) == (
            rows.count(0),
            columns.count(0),
            rows.count(height - 1),
            columns.count(width - 1),
        )


@given(MASKS)
def test_all_parts_together_are_the_mask(mask: np.ndarray) -> None:
    parts = connected(mask)
    assert np.array_equal(parts.painted(np.ones(len(parts.first), bool)), mask)


@given(MASKS, st.integers(1, 3))
def test_what_lies_beside_is_seen(mask: np.ndarray, distance: int) -> None:
    parts = connected(mask)
    column = np.tile(np.arange(mask.shape[1], dtype=float), (len(mask), 1))
    seen = parts.beside(column, np.full(len(parts.first), distance))
    for number, pixels in enumerate(flooded(mask)):
        found = []
        for y, x in pixels:
            if (y, x - 1) not in pixels:
                found.append(x - distance - 1)
            if (y, x + 1) not in pixels:
                found.append(x + distance + 1)
        within = [each for each in found if 0 <= each < mask.shape[1]]
        if within:
            assert np.isclose(seen[number], np.mean(within))
        else:
            assert np.isnan(seen[number])


def test_a_spiral_is_one_part() -> None:
    assert len(connected(SPIRAL).first) == 1


def test_gap_and_depth_of_boxes() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:12, [2, 15]] = mask[[2, 11], 2:16] = True  # a frame
    mask[5:8, 6:9] = True  # within it
    mask[3:5, 20] = True  # beside it
    parts = connected(mask)
    frame, inside, beside = (int(np.argmax(parts.area == n)) for n in (44, 9, 2))
    assert parts.depth_in(frame)[inside] == 3
    assert parts.depth_in(frame)[beside] < 0
    assert parts.gap_to(frame)[beside] == 5
    assert parts.gap_to(frame)[inside] < 0
