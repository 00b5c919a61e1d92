from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.page import best_by_peer, draw, render
from benchmarks.results import Pair, compare
from benchmarks.subjects import PLAIN
from benchmarks.tables import figure, load_cells, table
from tests.benchmarks.samples import FAST, SLOW, load, results


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


def test_rounds_are_shown_with_their_interval_and_errors_by_kind() -> None:
    several = [load(900), load(300), replace(load(1000), errors={"timeout": 1})]

    assert load_cells(several)[0] == "900 (300–1,000)"
    assert load_cells(several)[3] == "1 timeout"


def test_the_best_configuration_of_a_server_is_marked() -> None:
    assert f"| 32 | **{FAST}** | 2,000 " in page()
    assert f"| 32 | {SLOW} | 1,000 " in page()
    best = best_by_peer(compare(results().pairs), "digits", 32)
    assert [each.target for each in best] == [FAST, f"{PLAIN}, 1 worker, `def`"]


def test_every_table_of_the_page_has_as_many_cells_in_each_row() -> None:
    for block in page(plot=True).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.replace("  ", " x ").count(" | ") for line in lines}) <= 1


def test_a_model_that_was_not_asked_has_no_heading() -> None:
    assert "## Digits" in page()
    assert "## Sentiment" not in page()


def test_who_could_not_be_measured_is_named_with_the_reason() -> None:
    found = results()
    found.failed["Triton, 1 worker"] = "ended with 1"

    assert "- Triton, 1 worker: ended with 1\n" in render(found, cores=2, plot=False)


def test_a_noisy_machine_is_warned_of() -> None:
    assert "measure again" not in page()
    found = results()
    found.pairs = [Pair(replace(p.theirs, others=0.2), p.ours) for p in found.pairs]

    assert "measure again" in render(found, cores=2, plot=False)


def test_the_ceiling_is_shown_with_its_formula() -> None:
    assert "2 / (0.250 ms + 0.100 ms)\n    = 5,714 requests/s" in page()


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(results(), tmp_path / "picture.png")

    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
