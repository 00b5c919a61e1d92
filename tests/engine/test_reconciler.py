"""Tables: what lies on disk, what is known, what is done."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.catalog import VersionState
from service.engine.reconciler import (
    Action,
    Do,
    Key,
    Known,
    OnDisk,
    Retention,
    decide,
)

READY, FAILED = VersionState.READY, VersionState.FAILED
LOADING, DRAINING = VersionState.LOADING, VersionState.DRAINING

NEWEST_TWO = Retention(2)

Table = Mapping[int, str]  # version → fingerprint; one that ends in ~ still changes


def act(
    disk: Table,
    known: Mapping[int, tuple[VersionState, str]],
    retention: Retention = NEWEST_TWO,
) -> list[str]:
    on_disk = {
        ("m", version): OnDisk(text.rstrip("~"), stable=not text.endswith("~"))
        for version, text in disk.items()
    }
    memory = {("m", version): Known(*each) for version, each in known.items()}
    return [
        f"{do} {key[1]}" for do, key in decide(on_disk, memory, lambda _: retention)
    ]


@pytest.mark.parametrize(
    ("disk", "known", "actions"),
    [
        pytest.param({}, {}, [], id="nothing"),
        pytest.param(
            {1: "a", 2: "b", 3: "c"}, {}, ["load 3", "load 2"], id="the newest of many"
        ),
        pytest.param({1: "a~"}, {}, [], id="what is being copied waits"),
        pytest.param(
            {1: "a", 2: "b", 3: "c", 4: "d"},
            {4: (FAILED, "d"), 3: (FAILED, "c")},
            ["load 2", "load 1"],
            id="broken ones above are passed over",
        ),
        pytest.param(
            {1: "a", 2: "b", 3: "c"},
            {3: (FAILED, "c"), 2: (READY, "b"), 1: (READY, "a")},
            [],
            id="enough serve below a broken one",
        ),
        pytest.param(
            {1: "a", 2: "b"},
            {2: (READY, "b"), 3: (READY, "c")},
            [],
            id="deleting the newest neither loads nor retires",
        ),
        pytest.param({}, {2: (READY, "b"), 1: (READY, "a")}, [], id="an empty disk"),
        pytest.param({}, {2: (FAILED, "b")}, ["forget 2"], id="a failed one, deleted"),
        pytest.param({2: "B"}, {2: (FAILED, "b")}, ["load 2"], id="mended"),
        pytest.param({2: "B~"}, {2: (FAILED, "b")}, [], id="being mended"),
        pytest.param({2: "B"}, {2: (READY, "b")}, [], id="overwritten while it serves"),
        pytest.param(
            {1: "a", 2: "b", 3: "c"},
            {1: (READY, "a"), 2: (READY, "b"), 3: (READY, "c")},
            ["retire 1"],
            id="a surplus is retired",
        ),
        pytest.param(
            {1: "a", 2: "b", 3: "c"},
            {1: (READY, "a"), 2: (READY, "b"), 3: (LOADING, "c")},
            [],
            id="but not before the new one serves",
        ),
        pytest.param({1: "a"}, {1: (LOADING, "a")}, [], id="loading"),
        pytest.param({1: "a"}, {1: (DRAINING, "a")}, [], id="leaving"),
    ],
)
def test_the_newest_that_can_be_loaded_serve(
    disk: Table, known: Mapping[int, tuple[VersionState, str]], actions: list[str]
) -> None:
    assert act(disk, known) == actions


def test_the_newest_of_every_model_is_loaded_before_the_second_of_any() -> None:
    disk = {(name, version): OnDisk("x") for name in "ab" for version in (1, 2)}
    keys = [key for _, key in decide(disk, {}, lambda _: NEWEST_TWO)]
    assert keys == [("a", 2), ("b", 2), ("a", 1), ("b", 1)]


@pytest.mark.parametrize(
    ("disk", "serving", "retention", "actions"),
    [
        pytest.param(
            [1, 2, 3], [], Retention(99), ["load 3", "load 2", "load 1"], id="all"
        ),
        pytest.param(
            [1, 2, 3],
            [],
            Retention(0, frozenset({1, 3})),
            ["load 3", "load 1"],
            id="these and no others",
        ),
        pytest.param(
            [1, 2, 3, 4],
            [],
            Retention(1, frozenset({2})),
            ["load 4", "load 2"],
            id="the newest, and one that is held",
        ),
        pytest.param(
            [1, 2, 3], [3], Retention(1, frozenset({1})), ["load 1"], id="held late"
        ),
        pytest.param(
            [1, 2, 3],
            [1, 2, 3],
            Retention(1, frozenset({1})),
            ["retire 2"],
            id="what is held is no surplus",
        ),
        pytest.param(
            [1, 2], [2], Retention(0, frozenset({1})), ["load 1"], id="others stay"
        ),
        pytest.param(
            [1, 2],
            [1, 2],
            Retention(0, frozenset({1})),
            ["retire 2"],
            id="until one that is wanted serves",
        ),
        pytest.param(
            [2], [2], Retention(0, frozenset({7})), [], id="what is not there, held"
        ),
        pytest.param(
            [1, 2, 3],
            [2, 3],
            Retention(2, barred=frozenset({3})),
            ["retire 3", "load 1"],
            id="barred",
        ),
        pytest.param(
            [1], [1], Retention(2, barred=frozenset({1})), ["retire 1"], id="the last"
        ),
        pytest.param(
            [1, 2],
            [1, 2],
            Retention(0, emptied=True),
            ["retire 1", "retire 2"],
            id="unloaded",
        ),
        pytest.param(
            [1, 2],
            [2],
            Retention(0, frozenset({1}), emptied=True),
            ["retire 2", "load 1"],
            id="unloaded but for one",
        ),
    ],
)
def test_policies_say_which_versions_serve(
    disk: list[int], serving: list[int], retention: Retention, actions: list[str]
) -> None:
    known = dict.fromkeys(serving, (READY, "x"))
    assert act(dict.fromkeys(disk, "x"), known, retention) == actions


@given(
    good=st.dictionaries(st.integers(1, 9), st.booleans()),
    serving=st.sets(st.integers(1, 9)),
    kept=st.integers(1, 3),
    held=st.frozensets(st.integers(1, 9)),
)
def test_carried_out_until_nothing_is_left_it_holds_the_newest_good_ones(
    good: dict[int, bool], serving: set[int], kept: int, held: frozenset[int]
) -> None:
    disk = {("m", version): OnDisk("x") for version in good}
    known: dict[Key, Known] = {("m", each): Known(READY, "x") for each in serving}
    for _ in range(30):
        actions = decide(disk, known, lambda _: Retention(kept, held))
        for action in actions:
            carry_out(action, known, good)
        if not actions:
            break
    else:
        raise AssertionError("it never comes to rest")
    now = {version for (_, version), each in known.items() if each.state is READY}
    possible = {version for version, loads in good.items() if loads} | serving
    assert now == {*sorted(possible)[-kept:], *(held & possible)}


def carry_out(action: Action, known: dict[Key, Known], good: dict[int, bool]) -> None:
    if action.do is Do.LOAD:
        known[action.key] = Known(READY if good[action.key[1]] else FAILED, "x")
    else:
        del known[action.key]
