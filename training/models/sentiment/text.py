"""Text to tokens and word n-grams, as a TensorFlow graph: training and serving alike.

    bytes ─▶ valid UTF-8 ─▶ lower case ─▶ no HTML tags ─▶ tokens ─▶ ids ─▶ n-grams

Words keep their apostrophes (`didn't`), ratings their bar (`7/10`), and `! ? . ,`,
smileys and emoji are tokens of their own, an emoji without its skin and its variant.
All else, other punctuation among it, is a gap between tokens.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

PADDING, UNKNOWN = 0, 1  # ids of no token, and of a token out of the vocabulary
FIRST_WORD = 2
KEYS = 1 << 40  # an n-gram's key is below it: of 4 million, some eight share one
_NO_KEY = -1

_MARKUP = r"<[a-z/!][^<>]{0,200}>"
_APOSTROPHE = "[’‘ʼ´`]"
_VARIANTS = "[\ufe0e\ufe0f\u200d\u20e3\U0001f3fb-\U0001f3ff]"  # of the sign before
_WORD = (
    r"[\p{L}\p{M}\p{N}]+(?:['/][\p{L}\p{M}\p{N}]+)*"  # didn't, 7/10
    r"|[:;=]-?(?:[()]|[dp]\b)|<3\b"  # :-) ;) =( :d <3
    r"|[!?.,]|\p{So}"
)
_GAP = r"[^\p{L}\p{M}\p{N}\p{So}:;=<!?.,]+|[:;=<]"
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


def split_tokens(texts: Any) -> Any:
    """Split (rows,) string into tokens: (rows, None) ragged string, lower case."""
    texts = tf.strings.unicode_transcode(
        texts,
        "UTF-8",
        "UTF-8",
        errors="replace",
        replacement_char=ord(" "),
        replace_control_characters=True,  # lower-casing would end at a zero byte
    )
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.strings.regex_replace(texts, _MARKUP, " ")
    texts = tf.strings.regex_replace(texts, _APOSTROPHE, "'")
    texts = tf.strings.regex_replace(texts, _VARIANTS, "")
    texts = tf.strings.regex_replace(texts, f"({_WORD})|{_GAP}", r"\1 ")
    return tf.strings.split(texts)


def count_words(parts: Iterable[Any]) -> Counter[bytes]:
    """Count the tokens in what `split_tokens` gave, batch by batch."""
    counts: Counter[bytes] = Counter()
    for part in parts:
        counts.update(part.flat_values.numpy().tolist())
    return counts


def choose_vocabulary(
    counts: Counter[bytes], size: int, always: Sequence[bytes] = ()
) -> tuple[bytes, ...]:
    """Choose the `size` most frequent tokens; of equally frequent, in byte order.

    Args:
        counts: how often each token stands in the training reviews.
        size: how many are chosen.
        always: tokens that are there too, behind the others.
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    chosen = dict.fromkeys(word for word, _ in ranked[:size])
    return tuple(chosen | dict.fromkeys(always))


class Vocabulary:
    """The words that have an id, in the graph.

    Args:
        words: the first has the id `FIRST_WORD`.
    """

    def __init__(self, words: Sequence[bytes]):
        ids = tf.range(FIRST_WORD, FIRST_WORD + len(words), dtype=tf.int64)
        entries = tf.lookup.KeyValueTensorInitializer(tf.constant(list(words)), ids)
        self.size = FIRST_WORD + len(words)
        self.table = tf.lookup.StaticHashTable(entries, UNKNOWN)

    def read(self, texts: Any) -> Any:
        """Give (rows, None) ragged int64 ids of the tokens of (rows,) string."""
        tokens = split_tokens(texts)
        return tokens.with_flat_values(self.table.lookup(tokens.flat_values))


def truncate(ids: Any, head: int, tail: int) -> Any:
    """Cut the middle out of rows longer than `head` + `tail` tokens.

    A review says what it is about at its beginning and what it thinks at its end.

    Args:
        ids: (rows, None) ragged int64.
        head: tokens kept of the beginning.
        tail: tokens kept of the end.

    Returns:
        (rows, at most head + tail) ragged int64.
    """
    lengths = ids.row_lengths()
    rows, places = ids.value_rowids(), _places(ids)
    keep = (places < head) | (places >= tf.gather(lengths, rows) - tail)
    return tf.ragged.boolean_mask(ids, ids.with_flat_values(keep))


def pad(ids: Any, multiple: int, at_most: int) -> Any:
    """Pad to the batch's longest row, rounded up: lengths come in a few buckets.

    Args:
        ids: (rows, None) ragged int64, rows of at most `at_most` tokens.
        multiple: the width is a multiple of it, and at least one of it.
        at_most: the greatest width, a multiple of `multiple`.

    Returns:
        (rows, width) int64, `PADDING` behind each row.
    """
    longest = tf.cast(tf.reduce_max(ids.row_lengths()), tf.int32)
    width = tf.maximum(multiple, (longest + multiple - 1) // multiple * multiple)
    rows = tf.cast(ids.nrows(), tf.int32)
    width = tf.minimum(width, at_most)
    return ids.to_tensor(PADDING, shape=tf.stack([rows, width]))


def hash_ngrams(ids: Any, words: int) -> Any:
    """Give each run of 1 to `words` known words its key.

    An n-gram with an unknown word in it is left out: of a language that the vocabulary
    does not have, nothing remains.

    Args:
        ids: (rows, None) ragged int64, at most 2²² rows.
        words: the longest n-gram.

    Returns:
        rows (found,) int64 and keys (found,) int64: n-grams in each row, every one
        once however often it stands there.
    """
    flat, rows = ids.flat_values, ids.value_rowids()
    found = []
    for length in range(1, words + 1):
        keys = _hash_runs(flat, rows, length)
        whole = tf.where(keys != _NO_KEY)[:, 0]
        found.append(
            tf.gather(rows[: tf.size(keys)], whole) * KEYS + tf.gather(keys, whole)
        )
    distinct, _ = tf.unique(tf.concat(found, axis=0))
    return distinct // KEYS, distinct % KEYS


def _hash_runs(flat: Any, rows: Any, length: int) -> Any:
    """(runs,) int64: the key of each run of `length` ids, or `_NO_KEY`."""
    runs = tf.maximum(tf.size(flat) - length + 1, 0)
    mixed = tf.zeros([runs], tf.int64)
    known = tf.ones([runs], tf.bool)
    for offset in range(length):
        part = flat[offset : offset + runs]
        mixed = (mixed + part) * _as_signed(_MULTIPLIERS[offset])
        mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 29))
        known &= (part != UNKNOWN) & (rows[offset : offset + runs] == rows[:runs])
    return tf.where(known, mixed % KEYS, _NO_KEY)


def _as_signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _places(ids: Any) -> Any:
    """(tokens,) int64: the place of each token in its row."""
    starts = tf.gather(ids.row_starts(), ids.value_rowids())
    return tf.range(tf.size(ids.flat_values, tf.int64), dtype=tf.int64) - starts


def number_ngrams(ids: Any, words: int) -> tuple[npt.NDArray[np.int64], ...]:
    """`hash_ngrams` as NumPy arrays, ordered by row."""
    rows, keys = (array.numpy() for array in hash_ngrams(ids, words))
    order = np.argsort(rows, kind="stable")
    return rows[order], keys[order]
