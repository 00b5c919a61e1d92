"""What the writer's card reports: bits a symbol, agreement with the mood, copies."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.prediction import predict
from training.models.writer.alphabet import SYMBOLS, decode
from training.models.writer.copying import Index, measure_copies
from training.models.writer.corpus import MOODS, Corpus
from training.models.writer.writing import Asked, Integers, Pen

Floats = npt.NDArray[np.floating]
Judge = Callable[[Sequence[str]], Floats]

LENGTHS = (0, 700, 1000, 1600, 100_000)  # edges, in symbols of a review
MOST_COPIED = 60  # symbols; the promise

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


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


def write_texts(pen: Pen, texts: int, asked: Asked) -> list[str]:
    """Texts without a prompt, every other one unkind, every other kind."""
    return pen.write(alternate(texts), asked, [np.zeros(0, np.int32)] * texts)


def summarise_agreement(judge: Judge, written: Sequence[str]) -> dict[str, Any]:
    """How often the sentiment model finds the mood that was asked for.

    Args:
        judge: of the texts.
        written: as `write_texts` gives them.
    """
    moods = alternate(len(written))
    agrees = (judge(written) > 0.5) == moods
    share = float(agrees.mean())
    lengths = np.array([len(text) for text in written])
    return {
        "share": round(share, 4),
        "standard_error": round(float(np.sqrt(share * (1 - share) / len(moods))), 4),
        "texts": len(moods),
        "by_mood": {
            name: round(float(agrees[moods == mood].mean()), 4)
            for mood, name in enumerate(MOODS)
        },
        "mean_characters": round(float(lengths.mean()), 1),
    }


def summarise_by_length(
    judge: Judge, written: Sequence[str], lengths: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """The same of the first characters of each text: number of them → figures."""
    return {
        str(length): summarise_agreement(judge, [text[:length] for text in written])
        for length in lengths
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
    letters = np.frombuffer(SYMBOLS.encode(), np.uint8)[learnt.symbols]
    known = set(_WORD.findall(letters.tobytes().decode()))
    words = [word for text in written for word in _WORD.findall(text)]
    share = sum(word in known for word in words) / max(len(words), 1)
    return {"known": round(share, 4), "words": len(words)}


def begin(row: npt.NDArray[np.uint8], length: int) -> str:
    """The first `length` symbols of a review, without its stop."""
    return decode(row[:-1][:length])
