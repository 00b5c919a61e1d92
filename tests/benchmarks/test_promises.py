from dataclasses import replace

import pytest

from benchmarks.page import judge
from benchmarks.promises import (
    RATIOS,
    Promise,
    Ratio,
    contenders,
    find_ceiling,
    promises,
)
from benchmarks.results import Pair, Results, compare, interval
from benchmarks.subjects import BARE, PLAIN, RAW, WITHOUT_MODEL
from tests.benchmarks.samples import FAST, SLOW, pairs, results


def find(found: list[Promise], words: str) -> Promise:
    (one,) = (each for each in found if words in each.what)
    return one


@pytest.mark.parametrize(
    ("words", "measured", "verdict"),
    [
        ("digits at 32 connections, to the fastest peer", 1.5, "**missed**"),
        ("digits at 128 connections, to the fastest peer", 1.5, "kept"),
        ("digits at 128 connections in bfloat16", 3.0, "kept"),
        ("to plain FastAPI, requests/s", 2.0, "**missed**"),
        ("p50 to plain FastAPI", 1.0, "**missed**"),
        ("p99 to p50", 2.0, "kept"),
        ("to the ceiling", 52.5, "**missed**"),
        ("raw `image/png`", 1.5, "kept"),
        ("photo at 8 connections, requests/s to the bare", 80.0, "**missed**"),
        ("p99 beside photo", 4.0, "**missed**"),
        ("CPU while idle", 0.2, "kept"),
        ("start to ready", 2.5, "kept"),
        ("first right answer", 1.4, "kept"),
    ],
)
def test_each_promise_is_measured_and_judged(
    words: str, measured: float, verdict: str
) -> None:
    promise = find(list(promises(results(), cores=2)), words)

    assert interval(promise.values).median == pytest.approx(measured)
    assert f"| {verdict} |" in judge([promise])


def test_what_a_run_did_not_measure_is_neither_kept_nor_missed() -> None:
    found = list(promises(Results(), cores=2))

    assert len(found) == 23
    assert {each.kept for each in found} == {None}
    assert judge(found).count("not judged") == 23


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1.5] * 5, True),
        ([1.5, 1.5, 1.5, 1.5, 1.2], False),
        ([1.1] * 5, False),
        ([1.5] * 4, None),
    ],
    ids=["all rounds", "all rounds but one", "none", "too few rounds"],
)
def test_only_a_whole_interval_keeps_a_promise(
    values: list[float],
    kept: bool | None,  # noqa: FBT001
) -> None:
    assert Promise("ahead", 1.3, is_least=True, values=values).kept is kept


def test_rounds_that_were_too_short_keep_no_promise() -> None:
    found = results()
    one = found.pairs[0].ours
    found.pairs[0] = Pair(one, replace(one, load=replace(one.load, seconds=1.0)))

    assert {each.kept for each in promises(found, cores=2)} == {None}


def test_a_promise_is_printed_with_its_interval() -> None:
    found = results()
    found.starts = [3.0, 3.5, 7.0, 3.2, 3.1]

    page = judge(promises(found, cores=2))

    assert "| at most 3 s | 3.20 (3.00–7.00) s | **missed** | 5 |" in page


def test_after_one_round_only_who_may_be_the_nearest_goes_on() -> None:
    found = results()
    found.pairs += pairs("LitServe, 1 worker", 1900) + pairs("LitServe, 2 workers", 900)

    chosen = contenders(found)

    for target in (FAST, "LitServe, 1 worker", RAW, WITHOUT_MODEL, f"{BARE}, digits"):
        assert (target, "digits", 32) in chosen
    assert (f"{BARE}, photo", "photo", 8) in chosen
    assert (f"{BARE}, photo", "photo", 1) not in chosen
    assert ("LitServe, 2 workers", "digits", 32) not in chosen
    assert (SLOW, "digits", 32) not in chosen
    assert (f"{PLAIN}, 1 worker, `def`", "digits", 1) in chosen


def test_who_was_measured_in_one_round_alone_stands_for_no_promise() -> None:
    found = results()
    found.pairs += pairs("LitServe, 1 worker", 2900)[:1]

    promise = find(list(promises(found, cores=2)), "digits at 32 connections, to the f")

    assert promise.note == FAST


def test_at_one_connection_the_quickest_answer_counts() -> None:
    found = [c for c in compare(results().pairs) if c.connections == 1]

    best = Ratio("digits", 1, PLAIN, 1.0, latency=True).candidates(found)[0]

    assert best.p50s == [1.0] * 5
    assert all(ratio.peer != "Servery" for ratio in RATIOS)


def test_the_ceiling_is_all_cores_over_model_and_http() -> None:
    """Half a second of CPU for 5,000 requests, a whole one for 4,000 rows."""
    ceiling = find_ceiling(compare(results().pairs), cores=2)

    assert ceiling is not None
    assert (ceiling.model_ms, ceiling.http_ms) == pytest.approx((0.25, 0.1))
    assert ceiling.rates == pytest.approx((2000 / 0.35, 2000 / 0.37))


def test_without_its_http_layer_there_is_no_ceiling() -> None:
    rest = [p for p in results().pairs if p.theirs.target != WITHOUT_MODEL]

    assert find_ceiling(compare(rest), cores=2) is None
