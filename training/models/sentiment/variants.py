"""Sentences of reviews, and what becomes of them when their opinion is turned round.

Kaushik, Hovy and Lipton, "Learning the difference that makes a difference with
counterfactually-augmented data", 2020, let people change as little of a review as turns
it; Wu, Ribeiro, Heer and Weld, "Polyjuice", 2021, let a model do so. Here it is rules:
a word of opinion is exchanged for one of the other kind, or denied; or a sentence is
followed by "but" and one that says the contrary, which then counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from training.models.sentiment import lexicon
from training.models.sentiment.kept_out import is_measured

Words = tuple[str, ...]
_Choice = TypeVar("_Choice")
LEAST, MOST = 2, 24  # words in a sentence
_STOPS = frozenset(".!?")
_COPULAS = frozenset(("is", "was", "are", "were", "it's", "that's", "seems", "looks"))
_DENIALS = ("not", "not", "not", "never", "hardly", "far from", "anything but")
_BEFORE_NOUNS = ("not", "not", "never", "hardly", "by no means")
_TURNS = (", but", "but", ". but", ", yet", ". still ,", ". however ,")
_ADMISSIONS = ("although", "though", "even though", "while")
_UNCLEAR = frozenset(  # they may turn round what a rule takes for an opinion
    (
        *("not", "no", "never", "nothing", "nobody", "none", "neither", "nor", "?"),
        *("without", "hardly", "barely", "but", "although", "though", "however"),
        *("despite", "yet", "if", "would", "could", "should", "might", "too", "only"),
        *("except", "instead", "supposed", "wish", "than", "better", "worse", "unless"),
        *("lack", "lacks", "lacking", "far", "anything"),
    )
)
_AMBIGUOUS = frozenset(("strong", "warm", "sweet", "cheap", "flat", "so", "joke"))


class Editor:
    """Finds words of opinion in sentences, and turns sentences round.

    Args:
        random: chooses what is done.
    """

    def __init__(self, random: np.random.Generator):
        self._random = random
        self._labels: dict[str, int] = {}
        self._adjectives = lexicon.split_polar(lexicon.ADJECTIVES, lexicon.TRAINING)
        self._bases = {
            "loved": "love",
            "liked": "like",
            "enjoyed": "enjoy",
            "adored": "adore",
            "hated": "hate",
            "disliked": "dislike",
        }
        for words in (self._adjectives, lexicon.LIKED):
            for label in (0, 1):
                self._labels |= dict.fromkeys(words.of(label), label)
        for word in _AMBIGUOUS:
            self._labels.pop(word, None)

    def opinion(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """Place and label of each word of opinion; none where they may be turned."""
        if any(word in _UNCLEAR or word.endswith("n't") for word in words):
            return []
        found = enumerate(self._labels.get(word, -1) for word in words)
        return [(place, label) for place, label in found if label >= 0]

    def says(self, words: Sequence[str], label: int) -> bool:
        """Whether the words of opinion are there, and all of this label."""
        opinion = self.opinion(words)
        return bool(opinion) and all(found == label for _, found in opinion)

    def turn(self, words: Words) -> Words | None:
        """The sentence with its opinion turned round, or None where no rule fits."""
        opinion = self.opinion(words)
        if not opinion:
            return None
        denied = self._deny(words, opinion[0][0]) if len(opinion) == 1 else None
        if denied is not None and self._random.random() < 0.7:
            return denied
        return self._exchange(words, opinion)

    def contrast(self, first: Words, second: Words) -> Words:
        """Two sentences of contrary opinions; it says what `second` does."""
        start, end = _without_stop(first), _without_stop(second)
        if self._random.random() < 0.6:
            return (*start, *self.pick(_TURNS).split(), *second)
        admission = self.pick(_ADMISSIONS).split()
        if self._random.random() < 0.5:
            return (*admission, *start, ",", *second)
        return (*end, ",", *admission, *first)

    def _deny(self, words: Words, place: int) -> Words | None:
        word = words[place]
        if word in self._bases:
            denied = self.pick(("didn't", "did not", "never"))
            verb = word if denied == "never" else self._bases[word]
            return (*words[:place], *denied.split(), verb, *words[place + 1 :])
        for before in range(1, 5):
            copula = place - before
            if copula >= 0 and words[copula] in _COPULAS:
                some = _DENIALS if before == 1 else _BEFORE_NOUNS
                inserted = self.pick(some).split()
                return (*words[: copula + 1], *inserted, *words[copula + 1 :])
        return None

    def _exchange(self, words: Words, opinion: list[tuple[int, int]]) -> Words:
        changed = list(words)
        for place, label in opinion:
            is_verb = words[place] in self._bases
            kind = lexicon.LIKED if is_verb else self._adjectives
            changed[place] = self.pick(kind.of(1 - label))
        return tuple(" ".join(changed).split())

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of them, all equally probable."""
        return choices[int(self._random.integers(len(choices)))]


def split_sentences(words: Sequence[str]) -> Iterator[Words]:
    """Sentences with the sign that ends them, `LEAST` to `MOST` words each."""
    start = 0
    for end, word in enumerate(words, 1):
        if word in _STOPS or end == len(words):
            if LEAST <= end - start <= MOST:
                yield tuple(words[start:end])
            start = end


def find_opinions(
    reviews: Iterable[tuple[Sequence[str], int]], editor: Editor
) -> tuple[list[Words], list[Words]]:
    """Sentences that say, by their words, what the label of their review says.

    Args:
        reviews: words and label of each.
        editor: judges.

    Returns:
        Those of dislikes, and those of likes.
    """
    found: tuple[list[Words], list[Words]] = ([], [])
    for words, label in reviews:
        found[label].extend(
            sentence
            for sentence in split_sentences(words)
            if editor.says(sentence, label)
        )
    return found


def make_variants(
    opinions: tuple[list[Words], list[Words]], count: int, editor: Editor
) -> tuple[list[Words], list[int]]:
    """Choose sentences, turn some round, and set some against each other.

    Args:
        opinions: see `find_opinions`; both at least one.
        count: how many come out; half of them turned round where a rule fits, a
            third as they were, a sixth set against another.
        editor: does it, and its randomness chooses.

    Returns:
        Sentences and their labels.
    """
    texts: list[Words] = []
    labels: list[int] = []
    while len(texts) < count:
        label, kind = len(texts) % 2, len(texts) // 2 % 6
        same, other = editor.pick(opinions[label]), editor.pick(opinions[1 - label])
        turned = editor.turn(other) if kind < 3 else None
        if kind == 5:
            turned = editor.contrast(other, same)
        if not is_measured(" ".join(turned or same)):
            texts.append(turned or same)
            labels.append(label)
    return texts, labels


def _without_stop(words: Words) -> Words:
    return words[:-1] if words[-1] in _STOPS else words
