"""Congressional votes of 1984: 435 members of the US House, 16 key votes, two parties.

Schlimmer, "Congressional Voting Records", UCI Machine Learning Repository, 1987; the
votes are those that the Congressional Quarterly Almanac, volume XL, calls key. Yea and
nay include paired and announced votes; unknown is whatever is neither: present, absent,
or a position not made known.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.contract.manifest import Data
from training.datasets.converted import (
    Converted,
    Folder,
    find_original,
    with_header,
    write_lines,
)
from training.datasets.fetch import DEFAULT_DATA_DIR, Source, Website, obtain
from training.datasets.registries import DEBIAN, Package

LICENCE = "CC BY 4.0"
PARTIES = ("republican", "democrat")
VOTES = (
    "handicapped-infants",
    "water-project-cost-sharing",
    "adoption-of-the-budget-resolution",
    "physician-fee-freeze",
    "el-salvador-aid",
    "religious-groups-in-schools",
    "anti-satellite-test-ban",
    "aid-to-nicaraguan-contras",
    "mx-missile",
    "immigration",
    "synfuels-corporation-cutback",
    "education-spending",
    "superfund-right-to-sue",
    "crime",
    "duty-free-exports",
    "export-administration-act-south-africa",
)
HEADER = ",".join(["party", *VOTES])
SHA256 = {
    "votes.csv": "403595ecfde59868dc519759c05cd81ffcd9a9e5c96eac14c40f517c52437419"
}
_ORIGINAL = "house-votes-84.data"
_CODES = {"y": 1, "n": -1, "?": 0}


def rewrite_arff(content: bytes) -> bytes:
    """Rewrite Weka's form, the party last and all in quotes, as ours."""
    _, _, data = content.decode("ascii").partition("@data")
    lines = [line for line in data.split() if not line.startswith("%")]
    cells = [line.replace("'", "").split(",") for line in lines]
    return write_lines([HEADER, *(",".join([row[-1], *row[:-1]]) for row in cells)])


BUNDLED = Folder(Path(__file__).parent)
"""A copy written from the Debian package, so that this model trains anywhere."""

SOURCES: tuple[Source, ...] = (
    Converted(
        Website(
            "https://archive.ics.uci.edu/ml/machine-learning-databases/voting-records",
            suffix="",
        ),
        _ORIGINAL,
        with_header(HEADER),
    ),
    Converted(
        Package(DEBIAN, "weka", {"vote.arff": "usr/share/doc/weka/examples/vote.arff"}),
        "vote.arff",
        rewrite_arff,
    ),
    BUNDLED,
)


@dataclass(frozen=True, slots=True)
class Votes:
    """The data set in its original order.

    Attributes:
        votes: (435, 16) int8, 1 yea, -1 nay, 0 unknown; columns as in `VOTES`.
        labels: (435,) int64, index into `PARTIES`: 1 democrat, 0 republican.
    """

    votes: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int64]

    @property
    def is_complete(self) -> npt.NDArray[np.bool_]:
        """(435,) bool, whether all 16 votes are known; 232 are so."""
        complete: npt.NDArray[np.bool_] = (self.votes != 0).all(axis=1)
        return complete

    @property
    def has_twin(self) -> npt.NDArray[np.bool_]:
        """(435,) bool, whether another member cast the same 16 votes."""
        _, pattern, cast_by = np.unique(
            self.votes, axis=0, return_inverse=True, return_counts=True
        )
        twins: npt.NDArray[np.bool_] = cast_by[pattern] > 1
        return twins

    def count_repeats(self) -> int:
        """How many rows are like an earlier one, the party too: 93."""
        rows = np.column_stack([self.votes, self.labels])
        return len(rows) - len(np.unique(rows, axis=0))


def load(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = SOURCES
) -> Votes:
    """Load the votes from `data_dir/votes`, fetching there what is missing.

    Either our form, `votes.csv`, or the original, `house-votes-84.data`, will do.

    Raises:
        CorruptedData: The file there has other content.
        DataUnavailable: It is missing and no source could deliver it.
    """
    folder = data_dir / "votes"
    local = find_original(folder, _ORIGINAL, with_header(HEADER))
    (content,) = obtain(SHA256, (*local, *sources), folder).values()
    return parse(content)


def parse(content: bytes) -> Votes:
    """Parse our form: a header, then the party and y, n or ? for each vote.

    Raises:
        ValueError: Another header, party, vote or number of columns.
    """
    header, *lines = content.decode("ascii").splitlines()
    if header != HEADER:
        raise ValueError(f"votes: expected the header {HEADER}, received {header}")
    parties, votes = [], []
    for number, line in enumerate(lines, start=2):
        party, *answers = line.split(",")
        if (
            party not in PARTIES
            or len(answers) != len(VOTES)
            or not set(answers) <= set(_CODES)
        ):
            raise ValueError(
                f"votes, line {number}: expected a party and {len(VOTES)} of y, n "
                f"and ?, received {line!r}"
            )
        parties.append(PARTIES.index(party))
        votes.append([_CODES[answer] for answer in answers])
    return Votes(np.array(votes, np.int8), np.array(parties, np.int64))


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on."""
    return Data(
        name="Congressional Voting Records 1984",
        source="https://archive.ics.uci.edu/dataset/105/congressional+voting+records",
        licence=LICENCE,
        sha256=SHA256,
        rows=rows,
    )
