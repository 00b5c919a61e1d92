"""Digits are put in the order in which people read them."""

from hypothesis import given
from hypothesis import strategies as st

from service.models.digits.numbers import in_reading_order


def test_a_line_is_read_from_the_left() -> None:
    boxes = {"3": (90, 12, 110, 50), "1": (10, 10, 30, 50), "2": (50, 8, 70, 48)}
    assert in_reading_order(boxes.items()) == [["1", "2", "3"]]


def test_lines_are_read_from_the_top() -> None:
    boxes = {
        "4": (60, 100, 80, 140),
        "1": (15, 10, 30, 50),
        "3": (5, 104, 30, 145),
        "2": (70, 15, 90, 52),
    }
    assert in_reading_order(boxes.items()) == [["1", "2"], ["3", "4"]]


def test_a_line_may_rise() -> None:
    boxes = {
        str(n): (n * 40, 200 - n * 15, n * 40 + 25, 240 - n * 15) for n in range(9)
    }
    assert in_reading_order(boxes.items()) == [list("012345678")]


def test_what_has_no_place_comes_last() -> None:
    assert in_reading_order([("2", None), ("1", (0, 0, 5, 9))]) == [["1"], ["2"]]


@given(
    st.lists(
        st.tuples(*[st.integers(0, 500)] * 2, *[st.integers(1, 99)] * 2), max_size=12
    )
)
def test_nothing_is_lost_and_nothing_is_read_twice(
    places: list[tuple[int, int, int, int]],
) -> None:
    things = [
        (number, (left, top, left + width, top + height))
        for number, (left, top, width, height) in enumerate(places)
    ]
    lines = in_reading_order(things)
    assert sorted(n for line in lines for n in line) == list(range(len(places)))
