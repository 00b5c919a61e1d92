"""Texts that the model is measured by, so that no made-up sentence is one of them.

Training reads them for nothing else. Words and emoji of theirs do stand in the lexicon,
as they stand in reviews: kept out are the texts.
"""

import re

from training.models.sentiment.probes import PROBES
from training.models.sentiment.short_sentences import SENTENCES

_BETWEEN = re.compile(r"[\s\ufe0e\ufe0f.,!?:;\"'’‘-]+")


def reduce_text(text: str) -> str:
    """What is left of a text without blanks, punctuation and capitals."""
    return _BETWEEN.sub("", text.lower())


_MEASURED = frozenset(
    reduce_text(text)
    for texts in (*PROBES.values(), [text for text, _ in SENTENCES])
    for text in texts
)


def is_measured(text: str) -> bool:
    """Whether it says, letter for letter, what one of the measured texts says."""
    return reduce_text(text) in _MEASURED
