"""The masses: a sample of real rows, and rows made by hand."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from training.datasets import masses
from training.datasets.fetch import DataUnavailable, SourceFailed
from training.datasets.masses import HEADER

SAMPLE = Path(__file__).parents[2] / "data" / "masses_sample.csv"


class Unreachable:
    """A source behind a network that is not there."""

    name = "unreachable"

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        raise SourceFailed("unreachable: no network")


def parse(*lines: str) -> masses.Masses:
    return masses.parse("\n".join([HEADER, *lines]).encode(), {})


def test_real_rows_are_complete_and_of_both_kinds() -> None:
    data = masses.parse(SAMPLE.read_bytes(), {"sample": "0"})

    assert len(data) == 42
    assert data.is_complete.all()
    assert 10 < data.labels.sum() < 32
    assert set(data.shapes) == set(masses.SHAPES)
    assert 18 <= data.ages.min() <= data.ages.max() <= 96


def test_codes_become_the_data_sets_own_words() -> None:
    data = parse("5,67,3,5,3,1")

    assert data.ages.tolist() == [67]
    assert data.shapes.tolist() == ["lobular"]
    assert data.margins.tolist() == ["spiculated"]
    assert data.densities.tolist() == ["low"]
    assert data.labels.tolist() == [1]


def test_what_is_missing_is_unknown_and_kept() -> None:
    data = parse("?,?,?,?,?,0", "?,67,3,5,3,1")

    assert data.ages.tolist() == [0, 67]
    assert data.shapes.tolist() == [masses.UNKNOWN, "lobular"]
    assert data.is_complete.tolist() == [False, True]  # the assessment does not count


def test_twins_have_the_same_findings_and_repeats_the_same_outcome_too() -> None:
    data = parse("5,67,3,5,3,1", "4,67,3,5,3,1", "4,67,3,5,3,0", "4,67,?,?,3,0")

    assert data.has_twin.tolist() == [True, True, True, False]
    assert data.count_repeats() == 1
    assert data.count_missing().tolist() == [0, 0, 0, 2]


@pytest.mark.parametrize(
    "line",
    ["5,67,5,5,3,1", "5,67,3,6,3,1", "5,200,3,5,3,1", "5,67,3,5,3,2", "5,67", "a,,,,,"],
)
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="masses, line 2: expected assessment"):
        parse(line)


def test_without_any_source_the_user_reads_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="Put these files"):
        masses.load(tmp_path, (Unreachable(),), (Unreachable(),))


def test_another_file_in_the_users_folder_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "masses").mkdir()
    original = tmp_path / "masses" / "mammographic_masses.data"
    original.write_text("5,67,3,5,3,1\n")

    with pytest.raises(DataUnavailable):
        masses.load(tmp_path, (), ())
