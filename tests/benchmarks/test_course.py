"""A real run: servers, wrk and all, only very short."""

import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks.agenda import NOT_BUILT, NOT_THERE, note_missing, only
from benchmarks.bodies import ask, write_bodies
from benchmarks.course import Course, Others, shorten
from benchmarks.facts import ROOT
from benchmarks.measure import Bench, Plan
from benchmarks.neighbours import compare
from benchmarks.results import Results, Turn, read_results
from benchmarks.servers import running
from benchmarks.subjects import SERVERY, Server, Subject, Target, without_model

PLAN = Plan(1, 1, 1, 0.1, 0.0, 1)
DIGITS = ROOT / "artifacts" / "digits" / "1"
wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


def tiny(name: str, program: str = "tiny") -> Subject:
    command = (sys.executable, "-m", f"tests.benchmarks.{program}", "{port}")
    return Server(name, command, "/"), [Target(name, name, "/", connections=(8,))]


def run(folder: Path, results: Results, *others: Subject) -> Results:
    ours = tiny(SERVERY)
    targets = [target for _, each in (ours, *others) for target in each]
    bench = Bench(PLAN, write_bodies(targets, folder), results.failed)
    course = Course(bench, results, partial(results.save, folder / "file"), folder)
    named: Others = [
        (other[0].name, partial(course.other_turn, other)) for other in others
    ]
    course.run(ours, named)
    return results


@wrk
def test_servery_has_a_turn_before_and_after_every_other(tmp_path: Path) -> None:
    found = run(tmp_path, Results(), tiny("mosec, 1 worker"), tiny("LitServe"))

    order = [turn.server for turn in found.turns]
    assert order == [SERVERY, "mosec, 1 worker", SERVERY, "LitServe", SERVERY]
    assert {each.peer for each in compare(found.turns)} == {"mosec", "LitServe"}
    for turn in found.turns:
        assert all(sample.load.good > 0 for sample in turn.samples)
        assert turn.upkeep is not None
        assert turn.upkeep.memory.pss_bytes > 0
    assert read_results(tmp_path / "file") == found


@wrk
def test_who_cannot_be_measured_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        Results(),
        tiny("ends at once", "missing"),
        tiny("reads nothing", "illiterate"),
        tiny("mosec"),
    )

    assert [turn.server for turn in found.turns] == [SERVERY, "mosec", SERVERY]
    assert "No module named" in found.failed["ends at once"]
    assert "answers wrongly" in found.failed["reads nothing"]


@wrk
def test_a_run_that_goes_on_measures_only_what_is_missing(tmp_path: Path) -> None:
    earlier = Results(turns=[Turn(SERVERY), Turn("mosec")])
    earlier.failed["LitServe"] = "ended with 1"

    found = run(tmp_path, earlier, tiny("mosec"), tiny("LitServe"))

    order = [turn.server for turn in found.turns]
    assert order == [SERVERY, "mosec", SERVERY, "LitServe", SERVERY]
    assert not found.failed


def test_http_without_a_model_reads_pictures_and_answers_for_all_alike(
    tmp_path: Path,
) -> None:
    server, (target,) = without_model(DIGITS)
    with running([server], tmp_path) as started:
        answers = ask(target, started[server.name])

    assert {tuple(each["probabilities"]) for each in answers} == {(0.1,) * 10}


def test_only_who_is_named_is_measured() -> None:
    others: Others = [
        (name, partial(Turn, name)) for name in ("mosec, 1 worker", "LitServe")
    ]

    assert [name for name, _ in only(others, "MOSEC")] == ["mosec, 1 worker"]
    assert only(others, None) == others


def test_a_reason_names_no_place_of_this_machine() -> None:
    reason = "its log ends with:\n  File '/home/me/x.py', line 1\nno /opt/y/z: gone\n\n"

    assert shorten(reason) == "no z: gone"
    assert shorten("") == "no reason was given"


def test_what_is_missing_is_noted_until_it_is_there() -> None:
    failed = {"mosec, 1 worker": "ended with 1", "photo": "was not there before"}

    models = {"digits": DIGITS, "photo": DIGITS}
    note_missing(failed, models, [tiny("mosec, 1 worker")])

    assert failed.keys().isdisjoint({"photo", "mosec"})
    assert failed["LitServe"] == NOT_BUILT
    assert failed["sentiment"] == NOT_THERE
    assert failed["mosec, 1 worker"] == "ended with 1"
