"""What keys use of their rates: with a clock that a test turns."""

import hashlib

import pytest

from service.access.rates import (
    SECOND_NS,
    Rate,
    create_levels,
    open_levels,
    place,
)


class Clock:
    """Stands until it is turned."""

    def __init__(self) -> None:
        self.now = 7 * SECOND_NS

    def __call__(self) -> int:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += round(seconds * SECOND_NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(rate: Rate, tries: int, amount: int = 1) -> int:
    return sum(rate.take(amount) == 0 for _ in range(tries))


@pytest.mark.parametrize("per_s", [1, 3, 10, 997.5])
def test_a_second_gives_what_the_rate_says(clock: Clock, per_s: float) -> None:
    rate = Rate(open_levels(None), 0, per_s, clock)
    assert taken(rate, 2000) == int(per_s)
    clock.turn(1)
    assert taken(rate, 2000) in {int(per_s), int(per_s) + 1}


def test_over_a_minute_no_more_is_taken_than_the_rate(clock: Clock) -> None:
    rate, total = Rate(open_levels(None), 0, 20, clock), 0
    for _ in range(6000):
        total += taken(rate, 3)
        clock.turn(0.01)
    assert 60 * 20 <= total <= 61 * 20


def test_less_than_one_a_second_is_one_now_and_then(clock: Clock) -> None:
    rate = Rate(open_levels(None), 0, 0.1, clock)
    assert taken(rate, 5) == 1
    assert rate.wait_s(1) == 10
    clock.turn(10)
    assert taken(rate, 5) == 1


def test_who_takes_much_at_once_waits_until_it_is_paid(clock: Clock) -> None:
    rate = Rate(open_levels(None), 0, 10, clock)
    assert rate.take(64) == 0
    assert rate.wait_s(1) == pytest.approx(5.5)
    assert rate.take(64) == pytest.approx(6.4)
    clock.turn(6.4)
    assert rate.take(64) == 0


def test_what_was_not_used_is_given_back(clock: Clock) -> None:
    rate = Rate(open_levels(None), 0, 10, clock)
    assert rate.take(64) == 0
    rate.give_back(60)
    assert rate.take(6) == 0
    assert rate.take(1) > 0
    clock.turn(1)
    rate.give_back(1000)  # never more than a second would give
    assert taken(rate, 100) == 10


def test_the_wait_that_is_told_is_long_enough_and_no_longer(clock: Clock) -> None:
    rate = Rate(open_levels(None), 0, 7, clock)
    assert taken(rate, 100) == 7
    wait_s = rate.wait_s(1)
    clock.turn(wait_s - 0.001)
    assert rate.take(1) > 0
    clock.turn(0.001)
    assert rate.take(1) == 0


def test_processes_that_share_a_block_share_a_rate(clock: Clock) -> None:
    fd = create_levels()
    here, there = (Rate(open_levels(fd), 0, 10, clock) for _ in range(2))
    assert taken(here, 6) == 6
    assert taken(there, 10) == 4
    assert taken(here, 10) == 0


def test_other_keys_and_rows_have_levels_of_their_own(clock: Clock) -> None:
    levels = open_levels(None)
    digests = [hashlib.sha256(bytes([each])).digest() for each in range(200)]
    places = place(digests)
    for index in places.values():
        assert taken(Rate(levels, index, 1, clock), 2) == 1
        assert taken(Rate(levels, index + 1, 1, clock), 2) == 1


def test_a_key_keeps_its_place_when_others_come_and_go() -> None:
    digests = [hashlib.sha256(bytes([each])).digest() for each in range(100)]
    before, after = place(digests), place(digests[50:])
    assert all(before[each] == after[each] for each in digests[50:])


def test_two_that_are_meant_for_one_place_get_two() -> None:
    digests = [b"same" + bytes([each]) * 28 for each in range(3)]
    assert len(set(place(digests).values())) == 3
