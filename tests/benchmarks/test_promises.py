import pytest

from benchmarks.promises import Promise, promises, render
from benchmarks.results import Results, Start
from tests.benchmarks.samples import load, results


def find(found: list[Promise], words: str) -> Promise:
    (one,) = (each for each in found if words in each.what)
    return one


@pytest.mark.parametrize(
    ("words", "measured", "verdict"),
    [
        ("at 32 connections, to the fastest peer", 1.5, "kept"),
        ("at 128 connections, to the fastest peer", 1.5, "kept"),
        ("to plain FastAPI, requests/s", 2.0, "**missed**"),
        ("p50 to plain FastAPI", 1.0, "kept"),
        ("p99 to p50", 2.0, "kept"),
        ("to the ceiling", 52.5, "**missed**"),
        ("raw `image/png`", 1.5, "kept"),
        ("photo at 8 connections", 80.0, "**missed**"),
        ("p99 beside photo", 4.0, "kept"),
        ("CPU while idle", 0.2, "kept"),
        ("start to ready", 3.5, "kept"),
    ],
)
def test_each_promise_is_measured_and_judged(
    words: str, measured: float, verdict: str
) -> None:
    promise = find(promises(results(), cores=2), words)

    assert promise.measured == pytest.approx(measured)
    assert f"{verdict} |" in render([promise])


def test_what_a_run_did_not_measure_is_neither_kept_nor_missed() -> None:
    found = promises(Results(), cores=2)

    assert len(found) == 14
    assert {each.kept for each in found} == {None}
    assert render(found).count("not measured") == 14


def test_a_missed_promise_is_called_missed() -> None:
    found = results()
    found.starts = [Start(12.0, 5.0)]
    found.beside = [load(300, p99_ms=100)]

    page = render(promises(found, cores=2))

    assert "| at most 4 s | 7.00 s | **missed** |" in page
    assert "| at most 5 | 50.0 | **missed** |" in page
