"""Short texts for training and for the blend: made up, and made of review sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.sentiment import lexicon
from training.models.sentiment.corpus import Corpus, Tokens, as_rows
from training.models.sentiment.kept_out import is_measured
from training.models.sentiment.made_up import write_sentences
from training.models.sentiment.text import FIRST_WORD, UNKNOWN, Vocabulary
from training.models.sentiment.variants import (
    Editor,
    Words,
    find_opinions,
    make_variants,
)

_NO_WORD = "\0"
_POLAR_COUNT, _POLAR_RATIO = 40, 0.9  # occurrences; e to the ratio is 2.5 times


@dataclass(frozen=True, slots=True)
class Opinions:
    """Sentences of opinion of some reviews.

    Attributes:
        names: the vocabulary's words, by id.
        ids: and the other way round.
        sentences: of dislikes, and of likes; none is empty.
    """

    names: tuple[str, ...]
    ids: dict[str, int]
    sentences: tuple[list[Words], list[Words]]

    @classmethod
    def of(cls, corpus: Corpus, words: Sequence[bytes]) -> "Opinions":
        """Find those of whole reviews; `words` as the vocabulary has them."""
        names = (*[_NO_WORD] * FIRST_WORD, *(word.decode() for word in words))
        ids = {name: number for number, name in enumerate(names)}
        reviews = (
            ([names[token] for token in row], int(label))
            for row, label in zip(corpus.rows, corpus.labels, strict=True)
        )
        editor = Editor(np.random.default_rng(0))
        return cls(names, ids, find_opinions(reviews, editor))

    def vary(self, count: int, weight: float, random: np.random.Generator) -> Corpus:
        """Some of them, some turned round, some set against each other."""
        texts, labels = make_variants(self.sentences, count, Editor(random))
        rows = [self._tokens(text) for text in texts]
        return _corpus(rows, np.array(labels), weight)

    def _tokens(self, words: Words) -> Tokens:
        ids = [self.ids.get(word, UNKNOWN) for word in words]
        return np.array(
            [UNKNOWN if number < FIRST_WORD else number for number in ids], np.int32
        )


def make_up(
    part: str,
    count: int,
    weight: float,
    vocabulary: Vocabulary,
    random: np.random.Generator,
) -> Corpus:
    """Made-up sentences as tokens; see `made_up.write_sentences`."""
    made = write_sentences(part, count, random)
    rows = as_rows(vocabulary.read(tf.constant(list(made.texts))))
    return _corpus(rows, np.array(made.labels), weight)


def choose_polar_words(
    positive: npt.NDArray[np.integer],
    negative: npt.NDArray[np.integer],
    names: Sequence[bytes],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Choose words that stand much more often in reviews of one label.

    Without the lexicon's words that no training sentence may have.

    Args:
        positive: (ids,) how often each stands in reviews of liking.
        negative: (ids,) in those of disliking.
        names: the vocabulary's words; the first has the id `FIRST_WORD`.

    Returns:
        Ids of bad words and of good ones.
    """
    kept_apart = {
        word.encode()
        for words in (lexicon.ADJECTIVES, lexicon.NOUNS, lexicon.QUALITIES)
        for part in (lexicon.FITTING, lexicon.GATE)
        for word in lexicon.split_words(words.good + words.bad, part)
    }
    free = np.array(
        [False] * FIRST_WORD
        + [name not in kept_apart and not is_measured(name.decode()) for name in names]
    )
    ratio = np.log((positive + 1) / (negative + 1))
    free &= positive + negative >= _POLAR_COUNT
    bad, good = (
        (free & (sign * ratio >= _POLAR_RATIO)).nonzero()[0] for sign in (-1, 1)
    )
    return bad, good


def stand_alone(
    polar: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    count: int,
    weight: float,
    random: np.random.Generator,
) -> Corpus:
    """Rows of one such word each, both labels in turn; none where a label has none."""
    if not all(map(len, polar)):
        count = 0
    labels = np.arange(count) % 2
    rows = [random.choice(polar[label], 1).astype(np.int32) for label in labels]
    return _corpus(rows, labels, weight)


def say_nothing(count: int, weight: float) -> Corpus:
    """Rows of no to six unknown words, each with both labels: they tell nothing."""
    rows = [np.full(number // 2 % 7, UNKNOWN, np.int32) for number in range(count)]
    return _corpus(rows, np.arange(count) % 2, weight)


def find_ids(vocabulary: Vocabulary, words: Sequence[str]) -> npt.NDArray[np.int64]:
    """Ids of those words that are one token and known."""
    single = [word.encode() for word in words if " " not in word]
    found: npt.NDArray[np.int64] = vocabulary.table.lookup(tf.constant(single)).numpy()
    known: npt.NDArray[np.int64] = found[found != UNKNOWN]
    return known


def polar_ids(
    vocabulary: Vocabulary, words: lexicon.Polar
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids of the bad and of the good ones."""
    return find_ids(vocabulary, words.bad), find_ids(vocabulary, words.good)


def _corpus(rows: list[Tokens], labels: npt.NDArray[np.int64], weight: float) -> Corpus:
    return Corpus(rows, labels, np.full(len(rows), weight, np.float32))
