"""How much of a text stands, letter for letter, in the reviews that it learnt from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.models.writer.alphabet import encode

WINDOW = (
    24  # symbols; shorter runs are what everybody writes: "one of the best films i"
)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_GAP = 255  # no symbol's number
_MOST_PAIRS = 1 << 20  # places that are compared at a time
_CHUNK = 20  # texts that are looked up at a time

Symbols = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Index:
    """All windows of the training reviews, by their hash.

    Attributes:
        symbols: (characters,) uint8, the reviews one after the other.
        hashes: (windows,) uint64, rising.
        places: (windows,) int64, where each begins.
    """

    symbols: Symbols
    hashes: npt.NDArray[np.uint64]
    places: Integers


def build_index(symbols: Symbols) -> Index:
    """Sort all windows of reviews: half a minute for 30 million symbols."""
    hashes = _hash(symbols)
    order = np.argsort(hashes, kind="stable")
    padded = np.concatenate([symbols, np.array([_GAP], np.uint8)])
    return Index(padded, hashes[order], order)


def measure_copies(index: Index, texts: list[str]) -> Integers:
    """(texts,) int64: symbols of the longest run of each that is in a review.

    What is shorter than `WINDOW` counts as 0.
    """
    parts = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    found = [_measure_some(index, part) for part in parts]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _measure_some(index: Index, texts: list[str]) -> Integers:
    rows = [np.append(encode(text), np.uint8(_GAP)) for text in texts]
    symbols = np.concatenate([*rows, np.full(WINDOW, _GAP, np.uint8)])
    owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    hashes = _hash(symbols)
    first = np.searchsorted(index.hashes, hashes, "left")
    counts = np.searchsorted(index.hashes, hashes, "right") - first
    longest = np.zeros(len(rows), np.int64)
    (wanted,) = np.nonzero(counts)
    for part in _divide(wanted, counts[wanted]):
        here = np.repeat(part, counts[part])
        offsets = np.arange(len(here)) - np.repeat(
            np.cumsum(counts[part]) - counts[part], counts[part]
        )
        there = index.places[np.repeat(first[part], counts[part]) + offsets]
        lengths = _extend(symbols, here, index.symbols, there)
        np.maximum.at(longest, owner[here], lengths)
    return np.where(longest >= WINDOW, longest, 0)


def _divide(wanted: Integers, counts: Integers) -> list[Integers]:
    """Parts of `wanted` with about as many pairs as may be compared at a time."""
    edges = np.searchsorted(
        np.cumsum(counts), np.arange(_MOST_PAIRS, counts.sum(), _MOST_PAIRS)
    )
    return [part for part in np.split(wanted, edges) if len(part)]


def _extend(
    ours: Symbols, here: Integers, theirs: Symbols, there: Integers
) -> Integers:
    """How many symbols are the same from each pair of places on."""
    lengths = np.zeros(len(here), np.int64)
    going = np.arange(len(here))
    while len(going):
        ends = np.minimum(there[going] + lengths[going], len(theirs) - 1)
        symbol = ours[here[going] + lengths[going]]
        going = going[(symbol == theirs[ends]) & (symbol != _GAP)]
        lengths[going] += 1
    return lengths


def _hash(symbols: Symbols) -> npt.NDArray[np.uint64]:
    """(characters - WINDOW + 1,) a number for each window, modulo 2 to the 64."""
    size = max(len(symbols) - WINDOW + 1, 0)
    hashes = np.zeros(size, np.uint64)
    for place in range(WINDOW):
        hashes *= _FACTOR
        hashes += symbols[place : size + place]
        hashes ^= hashes >> np.uint64(29)
    return hashes
