"""The votes, whichever form they come in."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from training.datasets import votes
from training.datasets.converted import Converted
from training.datasets.fetch import DataUnavailable

ARFF = b"""% made by hand
@relation vote
@data
'n','y',?,'y','y','y','n','n','n','y',?,'y','y','y','n','y','republican'
%
"""
ROW = "republican,n,y,?,y,y,y,n,n,n,y,?,y,y,y,n,y"


@dataclass(frozen=True)
class Fake:
    """A source that has one content for whatever is asked."""

    content: bytes
    name: str = "fake"

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        return dict.fromkeys(names, self.content)


def test_the_copy_in_the_house_is_the_known_data_set(tmp_path: Path) -> None:
    data = votes.load(tmp_path, (votes.BUNDLED,))

    assert data.votes.shape == (435, 16)
    assert data.votes.dtype == np.int8
    assert np.bincount(data.labels).tolist() == [168, 267]
    assert (data.votes == 0).sum() == 392
    assert data.is_complete.sum() == 232


def test_columns_and_codes_are_as_documented(tmp_path: Path) -> None:
    data = votes.load(tmp_path, (votes.BUNDLED,))

    first = [-1, 1, -1, 1, 1, 1, -1, -1, -1, 1, 0, 1, 1, 1, -1, 1]
    assert data.votes[0].tolist() == first
    assert data.labels[0] == votes.PARTIES.index("republican")


def test_ninety_three_rows_repeat_an_earlier_one(tmp_path: Path) -> None:
    data = votes.load(tmp_path, (votes.BUNDLED,))

    assert data.count_repeats() == 93
    assert data.has_twin.sum() == 131


def test_the_original_form_in_the_users_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "votes").mkdir()
    lines = votes.BUNDLED.fetch(["votes.csv"])["votes.csv"].splitlines()[1:]
    (tmp_path / "votes" / "house-votes-84.data").write_bytes(b"\r\n".join(lines))

    assert len(votes.load(tmp_path, ()).labels) == 435


def test_wekas_form_becomes_ours() -> None:
    assert votes.rewrite_arff(ARFF).decode().splitlines() == [votes.HEADER, ROW]


def test_another_table_is_refused_whatever_its_form(tmp_path: Path) -> None:
    source = Converted(Fake(ARFF), "vote.arff", votes.rewrite_arff)

    with pytest.raises(DataUnavailable, match="expected SHA-256"):
        votes.load(tmp_path, (source,))


@pytest.mark.parametrize(
    "line", [ROW + ",y", ROW.replace("?", "x"), ROW.replace("rep", "Rep")]
)
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="votes, line 3: expected a party and 16"):
        votes.parse(f"{votes.HEADER}\n{ROW}\n{line}\n".encode())


def test_another_header_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the header party,"):
        votes.parse(b"vote\n")
