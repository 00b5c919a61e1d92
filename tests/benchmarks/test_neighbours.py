import pytest

from benchmarks.neighbours import best_by_peer, compare, quickest_plain
from benchmarks.results import Turn
from benchmarks.subjects import PLAIN, SERVERY
from tests.benchmarks.samples import FAST, SLOW, own_turn, results, sample, turn


def test_a_peer_is_held_against_servery_just_before_and_just_after() -> None:
    turns = [own_turn(9000), own_turn(3000), turn(FAST, 2000), own_turn(5000)]

    (at_32,) = (each for each in compare(turns) if each.connections == 32)

    assert at_32.ours.rate.value == 4000
    assert at_32.rate == pytest.approx(2.0)


def test_a_peer_that_came_last_has_servery_before_it_alone() -> None:
    found = compare([own_turn(3000), turn(FAST, 2000)])

    assert {each.rate for each in found} == {1.5}


def test_a_raw_body_and_another_model_are_not_the_same_load() -> None:
    ours = own_turn(3000)
    photo = Turn(FAST, [sample(10, target=FAST, model="photo", connections=8)])

    found = compare([ours, photo, turn(SLOW, 3000)])

    assert [each.rate for each in found if each.model == "photo"] == [2.0]
    assert {each.rate for each in found if each.model == "digits"} == {1.0}


def test_the_best_configuration_is_the_one_that_comes_nearest_to_servery() -> None:
    best = best_by_peer(compare(results().turns), "digits", 32)

    assert [each.target for each in best] == [FAST, f"{PLAIN}, 1 worker, `def`"]
    assert [each.rate for each in best] == [1.5, 2.0]


def test_the_machine_that_slowed_down_makes_nobody_slow() -> None:
    """The slow turn stands beside a slow Servery: its ratio is what counts."""
    turns = [own_turn(4000), turn(FAST, 2000), own_turn(4000), own_turn(1000)]
    turns += [turn(SLOW, 900), own_turn(1000)]

    best = best_by_peer(compare(turns), "digits", 32)

    assert [each.target for each in best] == [SLOW]


def test_one_connection_is_compared_by_latency() -> None:
    turns = [own_turn(1000), turn(f"{PLAIN}, 1 worker", 500), own_turn(1000)]
    turns[1].samples[0] = sample(500, target="plain", connections=1, p50_ms=8)

    plain = quickest_plain(compare(turns))

    assert plain is not None
    assert plain.p50 == pytest.approx(10 / 8)


def test_servery_is_not_compared_with_itself() -> None:
    assert all(each.peer != SERVERY for each in compare(results().turns))
