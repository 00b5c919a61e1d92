"""The rows that are learnt from, as spectrograms: each recording in several ways."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.prediction import slice_rows
from training.datasets.spoken import Recordings
from training.models.spoken import other_sounds
from training.models.spoken.network import NO_DIGIT, SHIFT
from training.models.spoken.spectrogram import BANDS, BLOCK, FRAMES, HOP, see_word
from training.models.spoken.spoiling import BUFFER, Samples, Spoiling, spoil

HOPS = (120, 103, 137, 111, 128)  # samples: a voice slower or faster, at the same pitch
NOBODY = ""  # who makes the other sounds

Features = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Bank:
    """Spoilt recordings and other sounds.

    Attributes:
        spectrograms: float16 (ways, rows, FRAMES + 2 × SHIFT, BANDS).
        labels: (rows,) 0 to 9, or NO_DIGIT.
        speakers: (rows,) who speaks, or NOBODY.
    """

    spectrograms: Features
    labels: npt.NDArray[np.int64]
    speakers: npt.NDArray[np.str_]


def make_bank(
    recordings: Recordings, how: Spoiling, ways: int, others: int, seed: int
) -> Bank:
    """Spoil every recording in so many ways, and add so many other sounds."""
    rows = len(recordings) + others
    frames = FRAMES + 2 * SHIFT
    spectrograms = np.empty((ways, rows, frames, BANDS), np.float16)
    for way in range(ways):
        rng = np.random.default_rng((seed, way))
        sounds = [spoil(word, how, rng) for word in recordings.samples]
        sounds += [other_sounds.draw(rng) for _ in range(others)]
        spectrograms[way] = see(sounds, frames, HOPS[way % len(HOPS)])
    return Bank(
        spectrograms,
        np.append(recordings.digits, np.full(others, NO_DIGIT)),
        np.append(recordings.speakers, np.full(others, NOBODY)),
    )


def see(sounds: Sequence[Samples], frames: int = FRAMES, hop: int = HOP) -> Features:
    """Spectrograms (rows, frames, BANDS) of sounds, each followed by silence."""
    length = max(BUFFER, -(-max(map(len, sounds)) // BLOCK) * BLOCK)
    seen = []
    for part in slice_rows(len(sounds), 250):
        rows = np.zeros((part.stop - part.start, length), np.float32)
        for row, sound in zip(rows, sounds[part], strict=True):
            row[: len(sound)] = sound
        seen.append(see_word(tf.constant(rows), length, frames, hop).numpy())
    return np.concatenate(seen)
