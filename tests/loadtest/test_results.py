"""Recording, merging, and the figures that come of it."""

import numpy as np
import pytest

from loadtest.results import OK, TIMEOUT, UNSENT, Recorder, Results, merge
from loadtest.summary import Window, summarise
from tests.loadtest.samples import record


def test_latency_counts_from_the_intended_time() -> None:
    results = record(("digits", OK, 1.0, 3.5, 4.0))

    assert results.latency_s.tolist() == [3.0]
    assert results.lag_s.tolist() == [2.5]


def test_a_timer_that_is_early_does_not_shorten_the_latency() -> None:
    results = record(("digits", OK, 1.0, 0.75, 1.25))

    assert results.latency_s.tolist() == [0.5]
    assert results.lag_s.tolist() == [0.0]


def test_a_recorder_gives_what_is_new() -> None:
    recorder = Recorder(["digits"])
    recorder.add(0, OK, (0, 0, 1))
    recorder.add(0, TIMEOUT, (1, 1, 9))

    assert recorder.results(1).counts() == {TIMEOUT: 1}
    assert len(recorder.results(2)) == 0


def test_merging_keeps_every_request_whatever_the_order_of_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    kinds = [OK, TIMEOUT, "503 queue_full"]
    entries = [
        (str(rng.choice(["digits", "party"])), str(rng.choice(kinds)), t, t, t + 0.1)
        for t in rng.random(300).tolist()
    ]
    whole = record(*entries)

    merged = merge([record(*entries[200:]), record(*entries[:200]), record()])

    assert np.all(np.diff(merged.intended_s) >= 0)
    assert merged.counts() == whole.counts()
    for name in ("digits", "party"):
        assert merged.of(name).counts() == whole.of(name).counts()
    assert sorted(told(merged)) == sorted(told(whole))


def told(results: Results) -> list[tuple[str, str, float]]:
    return [
        (results.workloads[workload], results.outcomes[outcome], intended)
        for workload, outcome, intended in zip(
            results.rows["workload"],
            results.rows["outcome"],
            results.intended_s,
            strict=True,
        )
    ]


def test_percentiles_are_latencies_that_were_measured() -> None:
    entries = [("digits", OK, 0.0, 0.0, n / 1000) for n in range(1, 101)]

    summary = summarise(record(*entries), Window(0, 1), None)

    shown = [summary.percentile(each) for each in (1, 50, 99, 99.9, 100)]
    assert shown == [0.001, 0.050, 0.099, 0.100, 0.100]
    assert summary.mean() == pytest.approx(0.0505)


def test_refusals_do_not_flatter_and_timeouts_count_as_long_as_they_took() -> None:
    results = record(
        ("digits", OK, 0.0, 0.0, 0.2),
        ("digits", "503 queue_full", 0.0, 0.0, 0.001),
        ("digits", TIMEOUT, 0.0, 0.0, 10.0),
        ("digits", UNSENT, 0.0, 0.0, 0.0),
    )

    summary = summarise(results, Window(0, 20), None)

    assert summary.waited_s.tolist() == [0.2, 10.0]
    assert summary.errors == 0.75
    assert summary.rate == 2 / 20


def test_what_is_answered_after_the_end_is_no_throughput() -> None:
    results = record(*(("digits", OK, n / 10, n / 10, 0.5 + n / 5) for n in range(10)))

    summary = summarise(results, Window(0, 1), None)

    assert summary.requests == 10
    assert summary.rate == summary.goodput == 3  # at 0.5, 0.7 and 0.9 s


def test_an_answer_after_the_deadline_is_not_good() -> None:
    results = record(("digits", OK, 0, 0, 0.1), ("digits", OK, 0, 0, 0.3))

    summary = summarise(results, Window(0, 1), 0.2)

    assert (summary.rate, summary.goodput, summary.errors) == (2, 1, 0)


def test_nothing_measured_is_not_zero() -> None:
    summary = summarise(record(), Window(0, 1), None)

    assert np.isnan([summary.errors, summary.percentile(50), summary.mean()]).all()
    assert summary.rate == 0


def test_a_long_test_is_cut_into_at_most_120_windows() -> None:
    assert len(Window(0, 10).cut_seconds()) == 10
    assert len(Window(0, 3600).cut_seconds()) == 120
    assert Window(2, 5).cut(3) == [Window(2, 3), Window(3, 4), Window(4, 5)]
