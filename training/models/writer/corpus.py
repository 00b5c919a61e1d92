"""Reviews in the writer's alphabet, one after the other, with the mood of each."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.datasets.imdb import Reviews
from training.models.writer.alphabet import REPLACEMENTS, STOP, SYMBOLS, encode

MOODS = ("unkind", "kind")  # as the reviews' labels are numbered

_BREAKS = re.compile(r"<\s*/?\s*br\s*/?\s*>|<[^<>]{1,40}>")
_OTHERS = re.compile(f"[^{re.escape(SYMBOLS[1:])}]")
_GAPS = re.compile(r"\s+")
_TABLE = str.maketrans(REPLACEMENTS)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Reviews in a row, each with the stop symbol at its end.

    Attributes:
        symbols: (characters,) uint8, of all reviews.
        lengths: (reviews,) int64, characters of each, its stop included.
        moods: (reviews,) int64, index into `MOODS`.
    """

    symbols: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    moods: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    def split(self) -> list[npt.NDArray[np.uint8]]:
        """One (characters,) uint8 array for each review, its stop included."""
        return np.split(self.symbols, np.cumsum(self.lengths)[:-1])

    def select(self, rows: npt.NDArray[np.int64]) -> "Corpus":
        """The reviews at `rows`, in that order."""
        parts = self.split()
        symbols = np.concatenate([parts[row] for row in rows])
        return Corpus(symbols, self.lengths[rows], self.moods[rows])


def clean(text: str) -> str:
    """Bring a review into the alphabet: no tags, small letters, single spaces."""
    plain = _BREAKS.sub(" ", text).translate(_TABLE)
    return _GAPS.sub(" ", _OTHERS.sub(" ", plain)).strip()


def read(reviews: Reviews) -> Corpus:
    """Clean and number reviews; what is left empty is left out."""
    texts = [clean(text.decode()) for text in reviews.texts]
    kept = np.array([bool(text) for text in texts])
    rows = [encode(text + STOP) for text in texts if text]
    lengths = np.array([len(row) for row in rows], np.int64)
    return Corpus(np.concatenate(rows), lengths, reviews.labels[kept])
