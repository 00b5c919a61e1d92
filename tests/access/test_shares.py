"""One caller may hold much of what there is, and never what others need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.shares import Shares


def take_all(shares: Shares, caller: str) -> int:
    """Have a caller take one after the other while it may."""
    taken = 0
    while shares.has_room(caller):
        shares.hold(caller)
        taken += 1
    return taken


def test_one_caller_leaves_a_fifth_to_others() -> None:
    shares = Shares(256, 0.8)
    assert take_all(shares, "greedy") == 205
    assert take_all(shares, "modest") == 41
    assert shares.has_room("third")


def test_what_is_given_back_is_there_for_all() -> None:
    shares = Shares(10, 0.8)
    assert take_all(shares, "greedy") == 8
    shares.release("greedy", 7)
    assert take_all(shares, "modest") == 8
    assert shares.held == 9


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_of_a_few_places_one_caller_may_have_all(most: int) -> None:
    assert take_all(Shares(most, 0.8), "alone") == most


def test_a_share_of_one_is_no_limit() -> None:
    assert take_all(Shares(256, 1.0), "greedy") == 256


def test_who_holds_nothing_may_take_all_at_once() -> None:
    shares = Shares(100, 0.8)
    assert shares.has_room("large", 100)
    assert not shares.has_room("large", 101)
    shares.hold("small")
    assert not shares.has_room("large", 100)


@given(callers=st.integers(1, 30))
def test_however_many_are_greedy_a_newcomer_finds_room(callers: int) -> None:
    shares = Shares(256, 0.8)
    for _ in range(256):
        for caller in range(callers):
            if shares.has_room(str(caller)):
                shares.hold(str(caller))
    assert shares.has_room("newcomer")
