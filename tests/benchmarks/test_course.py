"""A real run: servers, wrk and all, only very short."""

import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks.__main__ import NOT_BUILT, NOT_THERE, note_missing
from benchmarks.course import Course, Plan, measure_pair, schedule, shorten
from benchmarks.promises import contenders
from benchmarks.results import Pair, Results, Sample, read_results
from benchmarks.servers import running
from benchmarks.subjects import (
    ROOT,
    SERVERY,
    Server,
    Subject,
    Target,
    servery,
    without_model,
)
from benchmarks.workloads import ask
from tests.benchmarks.samples import FAST, SLOW, sample

pytestmark = pytest.mark.slow

PLAN = Plan(rounds=2, seconds=1, idle_s=0.1, other_idle_s=0.1)
DIGITS = ROOT / "artifacts" / "digits" / "1"
wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


def tiny(name: str, program: str = "tiny") -> Subject:
    command = (sys.executable, "-m", f"tests.benchmarks.{program}", "{port}")
    return Server(name, command, "/"), [Target(name, "/", connections=(32,))]


def run(folder: Path, results: Results, *others: Subject) -> Results:
    save = partial(results.save, folder / "file")
    course = Course(PLAN, results, save, folder)
    opponents = [course.server(other) for other in others]
    course.run(tiny(SERVERY), opponents, partial(contenders, results))
    return results


def measured(results: Results) -> list[str]:
    return [pair.theirs.target for pair in results.pairs]


@wrk
def test_everyone_has_a_round_and_who_may_be_the_fastest_all(tmp_path: Path) -> None:
    found = run(tmp_path, Results(), tiny(SLOW), tiny("Ours, no less"))

    assert measured(found)[:2] == [SLOW, "Ours, no less"]
    assert 3 <= len(found.pairs) <= 4
    for pair in found.pairs:
        assert pair.ours.target == SERVERY
        assert pair.theirs.load.good > 0
        assert pair.ours.load.good > 0
    assert len(found.idle[SERVERY]) == PLAN.rounds
    assert found.memory[SLOW].pss > 0
    assert read_results(tmp_path / "file") == found


@wrk
def test_who_cannot_be_measured_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    broken = tiny("ends at once", "missing"), tiny("reads nothing", "illiterate")

    found = run(tmp_path, Results(), *broken, tiny(FAST))

    assert set(measured(found)) == {FAST}
    assert "No module named" in found.failed["ends at once"]
    assert "answers wrongly" in found.failed["reads nothing"]


@wrk
def test_a_run_that_goes_on_measures_only_what_is_missing(tmp_path: Path) -> None:
    done = Pair(sample(10, target=FAST), sample(10))
    earlier = Results(pairs=[done] * PLAN.rounds)
    earlier.failed["LitServe"] = "ended with 1"

    found = run(tmp_path, earlier, tiny(FAST), tiny("LitServe"))

    assert measured(found)[2] == "LitServe"
    assert measured(found).count(FAST) == PLAN.rounds
    assert not found.failed


def test_every_second_round_goes_the_other_way() -> None:
    one, other = ((Target(name, "/"), 32) for name in "ab")

    turns = schedule({one: 3, other: 2})

    assert turns == [(0, one), (0, other), (1, other), (1, one), (2, one)]
    assert schedule({one: 0}) == []


def test_neighbours_take_turns_in_being_first() -> None:
    order: list[str] = []

    def measure(name: str) -> Sample:
        order.append(name)
        return sample(1)

    for number in range(2):
        measure_pair(partial(measure, "they"), partial(measure, "we"), number)

    assert order == ["we", "they", "they", "we"]


def test_what_others_spoiled_is_measured_once_more() -> None:
    shares = iter([0.0, 0.5, 0.02, 0.03])

    pair = measure_pair(
        lambda: sample(1, others=next(shares)),
        lambda: sample(1, others=next(shares)),
        0,
    )

    assert pair.ours.others == 0.02
    assert next(shares, None) is None


def test_http_without_a_model_reads_pictures_and_answers_for_all_alike(
    tmp_path: Path,
) -> None:
    server, (target,) = without_model(DIGITS)
    with running(server, tmp_path) as started:
        answers = ask(target, started.url())

    assert {tuple(each["probabilities"]) for each in answers} == {(0.1,) * 10}


def test_a_target_is_loaded_as_its_model_is_and_where_it_asks_for_less_so() -> None:
    models = {"digits": DIGITS, "photo": DIGITS}
    _, (digits, photo) = servery(DIGITS, models)

    assert digits.loads() == (1, 8, 32, 128)
    assert photo.loads() == (1, 8)
    assert without_model(DIGITS)[1][0].loads() == (32,)


def test_a_reason_names_no_place_of_this_machine() -> None:
    reason = "its log ends with:\n  File '/home/me/x.py', line 1\nno /opt/y/z: gone\n\n"

    assert shorten(reason) == "no z: gone"
    assert shorten("") == "no reason was given"


def test_what_is_missing_is_noted_until_it_is_there() -> None:
    results = Results()
    results.failed |= {"mosec, 1 worker": "ended with 1", "photo": "was not there"}

    note_missing(results, {"mosec", "digits", "photo"})

    assert results.failed.keys().isdisjoint({"photo", "mosec"})
    assert results.failed["LitServe"] == NOT_BUILT
    assert results.failed["sentiment"] == NOT_THERE
    assert results.failed["mosec, 1 worker"] == "ended with 1"
