"""The bank's customers: rows made by hand, for the table is not shipped."""

from pathlib import Path

import pytest

from training.datasets import churn
from training.datasets.fetch import CorruptedData, DataUnavailable

HEADER = (
    "RowNumber,CustomerId,Surname,CreditScore,Geography,Gender,Age,Tenure,Balance,"
    "NumOfProducts,HasCrCard,IsActiveMember,EstimatedSalary,Exited"
)


def parse(*lines: str) -> churn.Customers:
    return churn.parse("\n".join([HEADER, *lines]).encode())


def test_columns_become_arrays_of_their_kind() -> None:
    data = parse("1,7,Doe,619,France,Female,42,2,0,1,1,0,1000.5,1")

    assert len(data) == 1
    assert (data.geography.tolist(), data.gender.tolist()) == (["France"], ["Female"])
    assert data.estimated_salary.tolist() == [1000.5]
    assert (data.has_cr_card.tolist(), data.is_active_member.tolist()) == (
        [True],
        [False],
    )
    assert data.labels.tolist() == [1]


@pytest.mark.parametrize(
    "line",
    [
        "1,7,Doe,many,France,Female,42,2,0,1,1,0,1000,1",
        "1,7,Doe,619,France,Female,42,2,0,1,2,0,1000,1",
    ],
)
def test_a_cell_of_another_kind_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"expected 0 or 1|could not convert"):
        parse(line)


def test_a_table_without_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the columns"):
        churn.parse(b"a,b\n1,2\n")


def test_without_a_copy_the_user_reads_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"Put these files .*(\n.*)*Any copy of"):
        churn.load(tmp_path)


def test_another_table_in_the_users_folder_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / churn.FILE).write_text(HEADER)

    with pytest.raises(CorruptedData):
        churn.load(tmp_path)
