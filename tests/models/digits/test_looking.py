"""Which of the things that were found count, when the reader has seen them."""

import numpy as np
import pytest

from service.models.digits.looking import Seen

BLANK = np.zeros((28, 28), np.uint8)


@pytest.mark.parametrize(
    ("part_of", "no_digit", "kept"),
    [
        ([0, 1], [0.0, 0.9], [0, 1]),  # nothing has parts
        ([0, 0], [0.02, 0.3], [0]),  # the middle is less of a digit than the whole
        ([0, 0], [0.3, 0.02], [1]),  # it is more of one: a frame was about it
        ([0, 0, 0], [0.05, 0.0, 0.0], [0]),  # a broken stroke
        ([0, 0, 0, 3], [0.9, 0.0, 0.1, 0.0], [1, 2, 3]),  # two digits taken for one
        ([0, 0, 0], [0.9, 0.0, 0.8], [1]),  # a digit, and a pen
        ([0, 0, 0], [0.9, 0.7, 0.8], [0]),  # a letter
    ],
)
def test_parts_count_in_place_of_what_is_no_digit(
    part_of: list[int], no_digit: list[float], kept: list[int]
) -> None:
    seen = Seen([BLANK] * len(part_of), [None] * len(part_of), part_of)
    assert seen.settle(no_digit) == kept
