"""Recordings as other people, rooms and microphones would have made them.

    voice ─▶ room ─▶ microphone ─▶ a place in a longer recording ─▶ noise ─▶ gain

Of six speakers a network learns six voices and six microphones. What else a digit may
sound like it has to be told. Arrays in, arrays out; everything random is the caller's.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import fftconvolve

from training.models.spoken.spectrogram import RATE

BUFFER = 2 * RATE  # samples that a word is put into
STEP = 1 / 32768  # of 16 bits

Samples = npt.NDArray[np.float32]
Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Spoiling:
    """How far it goes.

    Attributes:
        speed: most by which a voice is made higher and faster, or lower and slower.
        room: share of recordings made in one.
        echo: seconds until a room's sound has fallen by 60 dB, least and most.
        colour: most, in dB, that a microphone strengthens or weakens a part of the
            spectrum.
        noise: share of recordings with noise.
        above: dB that the word lies above it, least and most.
    """

    speed: float = 1.25
    room: float = 0.4
    echo: tuple[float, float] = (0.1, 0.5)
    colour: float = 9.0
    noise: float = 0.7
    above: tuple[float, float] = (6.0, 40.0)


def spoil(word: Samples, how: Spoiling, rng: Generator) -> Samples:
    """One recording anew.

    Args:
        word: float32 (samples,), at `RATE`.
        how: How far it goes.
        rng: Of everything random.

    Returns:
        float32 (BUFFER,), -1 to 1.
    """
    factor = float(np.exp(rng.uniform(-1, 1) * np.log(how.speed)))
    voiced = soxr.resample(word, RATE * factor, RATE)[: BUFFER - RATE // 4]
    if rng.random() < how.room:
        voiced = _in_room(voiced, rng.uniform(*how.echo), rng)
    coloured = _colour(voiced, how.colour, rng)
    placed = place(coloured, BUFFER, rng)
    if rng.random() < how.noise:
        placed = add_noise(placed, coloured, rng.uniform(*how.above), rng)
    return record(placed, rng)


def place(word: Samples, length: int, rng: Generator) -> Samples:
    """Put a word somewhere into silence of `length` samples; what is over is cut."""
    placed = np.zeros(length, np.float32)
    word = word[:length]
    start = int(rng.integers(0, length - len(word) + 1))
    placed[start : start + len(word)] = word
    return placed


def add_noise(placed: Samples, word: Samples, above: float, rng: Generator) -> Samples:
    """Add noise of a random colour, from white to brown, so many dB below the word."""
    noise = coloured_noise(len(placed), rng.uniform(0, 2), rng)
    level = np.sqrt(np.mean(np.square(word))) * 10 ** (-above / 20)
    return placed + np.float32(level) * noise


def record(sound: Samples, rng: Generator) -> Samples:
    """With some gain, sometimes clipped, in 16 bits: float32, -1 to 1."""
    peak = 10 ** rng.uniform(-1.7, 0.15)  # 0.02 to 1.4
    gained = sound * (peak / max(float(np.abs(sound).max()), STEP))
    steps = np.rint(np.clip(gained, -1, 1) / STEP)
    return np.asarray(steps * STEP, np.float32)


def coloured_noise(length: int, slope: float, rng: Generator) -> Samples:
    """Noise whose power falls as 1 / frequency ** slope: float32, of mean square 1."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** (-slope / 2)
    noise = np.fft.irfft(spectrum, length)
    return np.asarray(noise / noise.std(), np.float32)


def _in_room(word: Samples, echo: float, rng: Generator) -> Samples:
    """Sound that comes straight, and what walls send back, dying away."""
    times = np.arange(int(echo * RATE)) / RATE
    walls = rng.standard_normal(len(times)) * 10 ** (-3 * times / echo)
    walls *= 10 ** rng.uniform(-1, 0) / np.sqrt(np.sum(np.square(walls)))
    walls[0] = 1
    heard: Samples = fftconvolve(word, walls).astype(np.float32)
    return heard[: BUFFER - RATE // 8]


def _colour(word: Samples, most: float, rng: Generator) -> Samples:
    """Through a microphone: gains at six frequencies, and straight lines between."""
    spectrum = np.fft.rfft(word)
    knots = np.linspace(0, len(spectrum) - 1, 6)
    gains = np.interp(np.arange(len(spectrum)), knots, rng.uniform(-most, most, 6))
    return np.fft.irfft(spectrum * 10 ** (gains / 20), len(word)).astype(np.float32)
