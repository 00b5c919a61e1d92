import pytest

from benchmarks.report import promises, ratios, render
from benchmarks.summary import summarise_all
from benchmarks.table import figure, table
from tests.benchmarks.samples import PLAIN, SLOWER, TARGETS, results, sample

FACTS = {"Machine": "an abacus"}


def test_a_table_has_a_row_for_each_row() -> None:
    lines = table(("what", "n"), [("a", "1")]).splitlines()

    assert lines == ["| what | n |", "| --- | ---: |", "| a | 1 |"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.617, "0.62"), (11.26, "11.3"), (2871.4, "2,871")]
)
def test_figures_have_about_three_digits(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_the_page_compares_with_the_best_of_the_others() -> None:
    page = render(FACTS, TARGETS, results(), plot=False)

    beside = page[page.index("## Servery beside") : page.index("as a multiple")]
    assert PLAIN in beside
    assert SLOWER not in beside
    assert "| 32 | 3.00 | 1.00 | 1.00 | 0.33 |" in page


def test_every_table_of_the_page_has_as_many_cells_in_each_row() -> None:
    page = render(FACTS, TARGETS, results(), plot=True)

    for block in page.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count(" | ") for line in lines}) <= 1


def test_a_missed_promise_is_called_missed() -> None:
    found = results()
    found.samples["Servery", 32] = [sample(2000, p50_ms=10, p99_ms=40)]

    rows = promises(summarise_all(found), [PLAIN, SLOWER]).splitlines()[2:]

    assert [row.split(" | ")[-1].rstrip(" |") for row in rows] == [
        "missed",
        "missed",
        "kept",
    ]


def test_errors_are_shown_by_kind() -> None:
    found = results()
    found.samples["Servery", 8] = [sample(10, errors={"status": 3, "timeout": 1})]

    assert "3 status, 1 timeout" in render(FACTS, TARGETS, found, plot=False)


def test_a_noisy_machine_is_warned_of() -> None:
    found = results()
    assert "measure again" not in render(FACTS, TARGETS, found, plot=False)

    for several in found.samples.values():
        several[:] = [sample(1000, others=0.2)]

    assert "measure again" in render(FACTS, TARGETS, found, plot=False)


def test_a_ratio_needs_no_more_than_the_run() -> None:
    assert ratios(summarise_all(results()), [PLAIN]).count("3.00") == 4
