"""What the writer's card reports: bits a symbol, agreement with the mood, copies."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.prediction import predict
from training.models.writer.alphabet import encode
from training.models.writer.copying import Index, measure_copies
from training.models.writer.corpus import MOODS, Corpus
from training.models.writer.writing import Asked, Integers, Pen

Floats = npt.NDArray[np.floating]
Judge = Callable[[Sequence[str]], Floats]

LENGTHS = (0, 700, 1000, 1600, 100_000)  # edges, in symbols of a review
MOST_COPIED = 60  # symbols; the promise
PROMPTS = ("", "the film", "i saw this", "the actors", "as a comedy, it")


def load_judge(folder: Path) -> Judge:
    """The shipped sentiment model: texts to (texts,) probabilities of kind."""
    model = tf.saved_model.load(str(folder))
    call = model.signatures["serving_default"]

    def judge(texts: Sequence[str]) -> Floats:
        rows = np.array([text.encode() for text in texts], dtype=object)
        found: Floats = predict(call, {"text": rows}, 100)["probability"]
        return found

    return judge


def summarise_bits(bits: Floats, corpus: Corpus) -> dict[str, Any]:
    """Bits a symbol of all reviews, by their length and by their mood.

    Args:
        bits: (reviews,) the sum of each.
        corpus: the reviews.
    """
    lengths = corpus.lengths
    by_length = {
        f"{low + 1}-{high}": (lengths > low) & (lengths <= high)
        for low, high in pairwise(LENGTHS)
    }
    by_mood = {name: corpus.moods == mood for mood, name in enumerate(MOODS)}
    return {
        **_mean_bits(bits, lengths, np.ones(len(corpus), np.bool_)),
        "standard_error": round(_bits_error(bits, lengths), 5),
        "by_length": {
            name: _mean_bits(bits, lengths, rows)
            for name, rows in by_length.items()
            if rows.any()
        },
        "by_mood": {
            name: _mean_bits(bits, lengths, rows)
            for name, rows in by_mood.items()
            if rows.any()
        },
    }


def _mean_bits(bits: Floats, lengths: Any, rows: Any) -> dict[str, Any]:
    return {
        "bits": round(float(bits[rows].sum() / lengths[rows].sum()), 4),
        "reviews": int(rows.sum()),
        "symbols": int(lengths[rows].sum()),
    }


def _bits_error(bits: Floats, lengths: Any) -> float:
    """Standard error of the ratio of two sums over reviews."""
    mean = bits.sum() / lengths.sum()
    rest = bits - mean * lengths
    return float(np.sqrt((rest**2).sum()) / lengths.sum())


def alternate(texts: int) -> Integers:
    """(texts,) int32: every other text unkind, every other kind."""
    return (np.arange(texts) % len(MOODS)).astype(np.int32)


def choose_prompts(texts: int) -> list[Integers]:
    """Beginnings in turn, as many with either mood; every fifth is empty."""
    numbers = [encode(prompt).astype(np.int32) for prompt in PROMPTS]
    return [numbers[text // len(MOODS) % len(numbers)] for text in range(texts)]


def measure_agreement(
    pen: Pen, judge: Judge, texts: int, asked: Asked
) -> tuple[dict[str, Any], list[str]]:
    """How often the sentiment model finds the mood that was asked for.

    Args:
        pen: that writes.
        judge: of what it wrote.
        texts: how many; half of them of either mood, none has a prompt.
        asked: of all of them.

    Returns:
        The figures, and the texts.
    """
    moods = alternate(texts)
    nothing = [np.zeros(0, np.int32)] * texts
    written = pen.write(moods, asked, nothing)
    return summarise_agreement(moods, judge(written), written), written


def summarise_agreement(
    moods: Integers, kind: Floats, written: Sequence[str]
) -> dict[str, Any]:
    """Shares of texts of the mood that was asked for.

    Args:
        moods: (texts,) asked for.
        kind: (texts,) probabilities, found.
        written: (texts,) the texts.
    """
    agrees = (kind > 0.5) == moods
    share = float(agrees.mean())
    lengths = np.array([len(text) for text in written])
    middle = float(np.median(lengths))
    short = lengths < middle
    by_length = {f"below {middle:.0f}": short, f"{middle:.0f} and more": ~short}
    return {
        "share": round(share, 4),
        "standard_error": round(float(np.sqrt(share * (1 - share) / len(moods))), 4),
        "texts": len(moods),
        "by_mood": {
            name: round(float(agrees[moods == mood].mean()), 4)
            for mood, name in enumerate(MOODS)
            if (moods == mood).any()
        },
        "by_length": {
            name: {"share": round(float(agrees[rows].mean()), 4), "texts": int(rows.sum())}
            for name, rows in by_length.items()
            if rows.any()
        },
        "mean_characters": round(float(lengths.mean()), 1),
        "ended_by_themselves": round(float((lengths < lengths.max()).mean()), 4),
    }


def summarise_copies(index: Index, written: list[str]) -> dict[str, Any]:
    """The longest runs that stand letter for letter in the training reviews."""
    found = measure_copies(index, written)
    return {
        "longest": int(found.max(initial=0)),
        "texts_above_60": int((found > MOST_COPIED).sum()),
        "texts_above_40": int((found > 40).sum()),
        "texts": len(written),
    }


def measure_words(written: Sequence[str], learnt: Corpus) -> dict[str, Any]:
    """How many of the words that were written stand in the training reviews at all."""
    known = set(_split_words(_as_text(learnt)))
    words = [word for text in written for word in _split_words(text)]
    share = sum(word in known for word in words) / max(len(words), 1)
    distinct = len({text[:100] for text in written})
    return {
        "known_words": round(share, 4),
        "words": len(words),
        "distinct_beginnings": distinct,
    }


def _as_text(corpus: Corpus) -> str:
    table = np.frombuffer(_symbol_bytes(), np.uint8)
    return table[corpus.symbols].tobytes().decode()


def _symbol_bytes() -> bytes:
    from training.models.writer.alphabet import SYMBOLS

    return SYMBOLS.encode()


def _split_words(text: str) -> list[str]:
    return [word for word in "".join(_LETTERS.get(x, " ") for x in text).split()]


_LETTERS = {x: x for x in "abcdefghijklmnopqrstuvwxyz'"}
