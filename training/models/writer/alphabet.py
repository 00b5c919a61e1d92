"""The 62 symbols that the writer reads and writes, and what stands for others.

Letters are small ones: capitals would cost two fifths more symbols and teach the
network every word twice.
"""

import unicodedata

import numpy as np
import numpy.typing as npt

STOP = "\n"  # ends a review
SYMBOLS = STOP + " abcdefghijklmnopqrstuvwxyz0123456789.,'\"-()!?/:;&*$%+=#@_~[]"

_PUNCTUATION = {
    "\t": " ",
    "\r": " ",
    "\u00a0": " ",
    "\u0085": "...",  # windows-1252, as some reviews have it
    "\u0091": "'",
    "\u0092": "'",
    "\u0093": '"',
    "\u0094": '"',
    "\u0096": "-",
    "\u0097": "-",
    "`": "'",
    "\u00b4": "'",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u00ab": '"',
    "\u00bb": '"',
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2026": "...",
    "\u00bd": "1/2",
    "\u00a1": "!",
    "\u00bf": "?",
    "{": "(",
    "}": ")",
    "\u00e6": "ae",
    "\u00c6": "ae",
    "\u00f8": "o",
    "\u00d8": "o",
    "\u00df": "ss",
    "\u0153": "oe",
    "\u0152": "oe",
    "\u0142": "l",
    "\u0141": "l",
}


def list_replacements() -> dict[str, str]:
    """Characters that the alphabet lacks → what is read in their place.

    Capitals, letters of European languages with their marks, quotes and dashes.
    """
    found = dict(_PUNCTUATION)
    for code in range(0x41, 0x17F):
        letter = chr(code)
        plain = unicodedata.normalize("NFKD", letter.lower())[:1]
        if letter not in SYMBOLS and letter not in found and plain in _LETTERS:
            found[letter] = plain
    return found


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
REPLACEMENTS = list_replacements()
_NUMBERS = np.full(256, 255, np.uint8)
_NUMBERS[np.frombuffer(SYMBOLS.encode(), np.uint8)] = np.arange(len(SYMBOLS))


def encode(text: str) -> npt.NDArray[np.uint8]:
    """Number the symbols of a text.

    Returns:
        (characters,) uint8, below 62.

    Raises:
        ValueError: A character is not of the alphabet.
    """
    unknown = sorted(set(text) - set(SYMBOLS))
    if unknown:
        raise ValueError(f"expected symbols of {SYMBOLS!r}, received {unknown}")
    return _NUMBERS[np.frombuffer(text.encode(), np.uint8)]


def decode(numbers: npt.NDArray[np.integer]) -> str:
    """The text of (characters,) numbers of symbols."""
    return "".join(SYMBOLS[number] for number in numbers)
