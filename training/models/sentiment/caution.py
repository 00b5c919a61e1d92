"""Where the model does not know: how near to 0.5, and how strange a text has to be.

Both are chosen on validation reviews and on pieces of them, so that they hold for short
texts too, and go into the manifest, where whoever serves the model reads them.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.sentiment.corpus import Corpus, Tokens, as_ragged
from training.models.sentiment.model import SentimentModel

WORDS = (1, 3, 6)  # from so many words on, a threshold of familiarity each
FALSE_ALARMS = 0.01  # share of English sentences that are taken for another language
RIGHT_WHERE_UNSURE = 0.6  # at most, of the answers that are called unsure
_WIDEST = 0.25
_STRANGEST = -9.0  # no text is stranger
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Caution:
    """When an answer means little.

    Attributes:
        unsure_within: distance of the probability from 0.5.
        least_familiarity: for `WORDS`, below it the text is hardly English.
    """

    unsure_within: float
    least_familiarity: tuple[float, ...]

    def constants(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {
            "unsure_within": self.unsure_within,
            "least_familiarity": [
                {"from_words": words, "familiarity": least}
                for words, least in zip(WORDS, self.least_familiarity, strict=True)
            ],
        }

    def is_unsure(self, probability: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """(rows,) bool, whether an answer is little more than a guess."""
        unsure: npt.NDArray[np.bool_] = np.abs(probability - 0.5) < self.unsure_within
        return unsure

    def is_strange(
        self, words: npt.NDArray[Any], familiarity: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """(rows,) bool, whether texts of so many words are hardly English."""
        place = np.searchsorted(WORDS, np.maximum(words, 1), side="right") - 1
        strange: npt.NDArray[np.bool_] = (
            familiarity < np.array(self.least_familiarity)[place]
        )
        return strange


def calibrate(
    model: SentimentModel, reviews: Corpus, pieces: Corpus, stops: npt.NDArray[Any]
) -> Caution:
    """Choose both thresholds.

    Args:
        model: with its blend.
        reviews: of validation.
        pieces: one of each, of a few sentences.
        stops: ids of tokens that end a sentence.
    """
    both = reviews.join(pieces)
    probability = np.concatenate(
        [
            tf.sigmoid(
                model.mix(
                    *model.read_branches(ids), tf.cast(ids.row_lengths(), "int32")
                )
            ).numpy()
            for ids in _in_chunks(both.rows)
        ]
    )
    right = (probability > 0.5) == (both.labels == 1)
    return Caution(
        choose_band(probability, right), choose_familiarity(model, reviews, stops)
    )


def choose_band(probability: npt.NDArray[Any], right: npt.NDArray[np.bool_]) -> float:
    """The widest band around 0.5 in which at most `RIGHT_WHERE_UNSURE` are right."""
    chosen = 0.05
    for width in np.arange(0.05, _WIDEST + 1e-9, 0.01):
        within = np.abs(probability - 0.5) < width
        if within.any() and right[within].mean() <= RIGHT_WHERE_UNSURE:
            chosen = float(width)
    return round(chosen, 2)


def choose_familiarity(
    model: SentimentModel, reviews: Corpus, stops: npt.NDArray[Any]
) -> tuple[float, ...]:
    """For `WORDS`, what only `FALSE_ALARMS` of the reviews' sentences are below."""
    sentences = [each for row in reviews.rows for each in _sentences(row, stops)]
    measured = [model.count_known(ids) for ids in _in_chunks(sentences)]
    known, unknown, familiarity = (
        np.concatenate([each[name].numpy() for each in measured])
        for name in ("known_words", "unknown_tokens", "familiarity")
    )
    words, bounds, found = known + unknown, (*WORDS, 1 << 30), []
    for low, high in pairwise(bounds):
        some = familiarity[(words >= low) & (words < high)]
        least = np.quantile(some, FALSE_ALARMS) if len(some) else _STRANGEST
        found.append(round(float(least), 3))
    return tuple(found)


def _sentences(row: Tokens, stops: npt.NDArray[Any]) -> list[Tokens]:
    (ends,) = np.nonzero(np.isin(row, stops))
    return [part for part in np.split(row, ends + 1) if len(part) > 1]


def _in_chunks(rows: list[Tokens]) -> Any:
    for start in range(0, len(rows), _CHUNK):
        yield as_ragged(rows[start : start + _CHUNK])
