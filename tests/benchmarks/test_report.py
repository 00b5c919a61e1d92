from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plot import draw, gather
from benchmarks.report import render
from benchmarks.subjects import PLAIN, SERVERY
from benchmarks.table import figure, table
from tests.benchmarks.samples import FAST, SLOW, results, sample


def page(*, plot: bool = False) -> str:
    return render(results(), cores=2, plot=plot)


def test_a_table_has_a_row_for_each_row() -> None:
    lines = table(("what", "n"), [("a", "1")]).splitlines()

    assert lines == ["| what | n |", "| --- | ---: |", "| a | 1 |"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.617, "0.62"), (11.26, "11.3"), (2871.4, "2,871")]
)
def test_figures_have_about_three_digits(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_the_best_configuration_of_a_server_is_marked() -> None:
    assert f"| 32 | **{FAST}** | 2,000 " in page()
    assert f"| 32 | {SLOW} | 1,000 " in page()


def test_every_table_of_the_page_has_as_many_cells_in_each_row() -> None:
    for block in page(plot=True).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.replace("  ", " x ").count(" | ") for line in lines}) <= 1


def test_a_model_that_was_not_asked_has_no_heading() -> None:
    assert "## Photo" in page()
    assert "## Sentiment" not in page()


def test_who_could_not_be_measured_is_named_with_the_reason() -> None:
    found = results()
    found.failed["Triton, 1 worker"] = "ended with 1"

    assert "- Triton, 1 worker: ended with 1\n" in render(found, cores=2, plot=False)


def test_errors_are_shown_by_kind() -> None:
    found = results()
    found.turns[0].samples[:] = [sample(10, errors={"status": 3, "timeout": 1})]

    assert "3 status, 1 timeout" in render(found, cores=2, plot=False)


def test_a_noisy_machine_is_warned_of() -> None:
    assert "measure again" not in page()
    found = results()
    for turn in found.turns:
        turn.samples[:] = [replace(each, others=0.2) for each in turn.samples]

    assert "measure again" in render(found, cores=2, plot=False)


def test_the_picture_shows_every_server_at_its_best(tmp_path: Path) -> None:
    best = gather(results())

    assert list(best) == [SERVERY, "mosec", PLAIN]
    assert best["mosec"][32].rate.value == 2000
    draw(best, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
