"""How much like its training reviews a text is: words known, and how usual they are.

A model of English reviews answers a French one too, for "film", "le" and "bon" are
words of its vocabulary. But in English they are rare, and in English text most words
are not: the mean of the logarithms of how often its words stand in the training reviews
tells one from the other, where the text has some words.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.sentiment.text import FIRST_WORD, UNKNOWN

RARE = 0.5  # occurrences, of a word that is none of the vocabulary's
_ENDS = (b".", b",", b"!", b"?")


class Familiarity:
    """Counts what of a text is known.

    Args:
        words: the vocabulary; the first has the id `FIRST_WORD`.
        counts: (ids,) how often each id stands in the training reviews.
    """

    def __init__(self, words: Sequence[bytes], counts: npt.NDArray[np.integer]):
        letters = [any(c.isalpha() for c in word.decode()) for word in words]
        letters = [
            letter and word[:1] not in b":;=<"
            for letter, word in zip(letters, words, strict=True)
        ]
        usual = np.log10(np.maximum(counts, RARE) / counts.sum())
        is_word = np.array([True] * FIRST_WORD + letters)
        is_known = np.array([False] * FIRST_WORD + [w not in _ENDS for w in words])
        self._usual = tf.constant(np.where(is_word, usual, 0.0), tf.float32)
        self._is_word = tf.constant(is_word, tf.float32)
        self._is_known = tf.constant(is_known, tf.int32)
        rare = np.log10(RARE / counts.sum())
        self._usual = tf.tensor_scatter_nd_update(
            self._usual, [[UNKNOWN]], [np.float32(rare)]
        )

    def measure(self, ids: Any) -> dict[str, Any]:
        """Count in (rows, None) ragged ids.

        Returns:
            (rows,) each: `unknown_tokens` int32; `known_words` int32, tokens that are
            known and more than a full stop or the like; `familiarity` float32, mean
            logarithm to base 10 of the words' shares of all tokens of the training
            reviews, 0 where there is no word.
        """

        def add(values: Any) -> Any:
            return tf.reduce_sum(ids.with_flat_values(values), axis=1)

        flat = ids.flat_values
        words = add(tf.gather(self._is_word, flat))
        usual = add(tf.gather(self._usual, flat))
        return {
            "unknown_tokens": add(tf.cast(flat == UNKNOWN, tf.int32)),
            "known_words": add(tf.gather(self._is_known, flat)),
            "familiarity": usual / tf.maximum(words, 1.0),
        }
