"""Bank churn: 10,000 customers of a bank in three countries, and who of them left.

A table that goes round with courses on neural networks as `Churn_Modelling.csv`. Where
it comes from, whether its customers exist and under which licence it stands is stated
nowhere, so it is neither fetched nor shipped: put a copy into the data folder.
"""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.manifest import Data
from training.datasets.fetch import DEFAULT_DATA_DIR, obtain_copy

FILE = "Churn_Modelling.csv"
SHA256 = {FILE: "ee2a5c9d8daf3aed0d91c4d883a84ebb77d271447bebc0f0c80aafb0f288ceab"}
COUNTRIES = ("France", "Germany", "Spain")
GENDERS = ("Female", "Male")
COLUMNS = {
    "credit_score": "CreditScore",
    "geography": "Geography",
    "gender": "Gender",
    "age": "Age",
    "tenure": "Tenure",
    "balance": "Balance",
    "num_of_products": "NumOfProducts",
    "has_cr_card": "HasCrCard",
    "is_active_member": "IsActiveMember",
    "estimated_salary": "EstimatedSalary",
}
"""What a model may look at, by our names; row number, id and surname it may not."""
LABEL = "Exited"

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Customers:
    """Customers, in their original order: (rows,) of each.

    Attributes:
        credit_score: points, 350 to 850.
        geography: one of `COUNTRIES`.
        gender: one of `GENDERS`.
        age: years, 18 to 92.
        tenure: years with the bank, 0 to 10.
        balance: on the account, from 0; the currency is not stated.
        num_of_products: of the bank's, 1 to 4.
        has_cr_card: whether it has a credit card.
        is_active_member: whether it is active, as the bank sees it.
        estimated_salary: a year, as the bank guesses it.
        exited: whether it left; this is to be predicted.
    """

    credit_score: Floats
    geography: Words
    gender: Words
    age: Floats
    tenure: Floats
    balance: Floats
    num_of_products: Floats
    has_cr_card: Flags
    is_active_member: Flags
    estimated_salary: Floats
    exited: Flags

    def __len__(self) -> int:
        return len(self.exited)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(rows,) 1 for who left."""
        return self.exited.astype(np.int64)


def load(data_dir: Path = DEFAULT_DATA_DIR) -> Customers:
    """Load the customers from `data_dir/churn/Churn_Modelling.csv`.

    Raises:
        CorruptedData: The file there has other content.
        DataUnavailable: There is none; the message says how to get it.
    """
    advice = (
        f"{FILE} has no official source and no licence that is stated; "
        "copies go round with courses on neural networks and on Kaggle. Any copy "
        "of the original will do: its SHA-256 is checked."
    )
    return parse(obtain_copy(SHA256, data_dir / "churn", advice))


def parse(content: bytes) -> Customers:
    """Parse the table.

    Args:
        content: CSV with a header that names `COLUMNS` and `LABEL`, in any order.

    Raises:
        ValueError: A column is missing, or a cell is not of its kind.
    """
    rows = list(csv.DictReader(content.decode().splitlines()))
    names = {**COLUMNS, "exited": LABEL}
    missing = [column for column in names.values() if not rows or column not in rows[0]]
    if missing:
        raise ValueError(f"churn: expected the columns {missing}, received others")
    columns = {
        name: _convert(name, [row[column] for row in rows])
        for name, column in names.items()
    }
    return Customers(**columns)


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on."""
    return Data(
        name="Bank churn (Churn_Modelling.csv)",
        source="a local copy; the origin is not stated",
        licence="not stated; the data is not shipped",
        sha256=SHA256,
        rows=rows,
    )


def _convert(name: str, cells: list[str]) -> Any:
    kind = next(each.type for each in fields(Customers) if each.name == name)
    if kind == Words:
        return np.array(cells)
    numbers = np.array(cells, np.float32)
    if kind != Flags:
        return numbers
    if not np.isin(numbers, (0, 1)).all():
        raise ValueError(f"churn, {name}: expected 0 or 1, received others")
    return numbers.astype(np.bool_)
