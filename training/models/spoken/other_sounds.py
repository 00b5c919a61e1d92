"""What is no digit: silence, noise, hum, clicks, tones, music, made by arithmetic.

No recording of music or of a street is in it. What real ones do to the model is
measured apart (docs/models/spoken.md).
"""

import numpy as np

from training.models.spoken.spectrogram import RATE
from training.models.spoken.spoiling import (
    BUFFER,
    Generator,
    Samples,
    coloured_noise,
    record,
)

LOWEST_NOTE, HIGHEST_NOTE = 36, 84  # of MIDI
A4, A4_NOTE = 440.0, 69  # Hz
CUT_SHORT = 0.4  # share of sounds that end before the recording does


def draw(rng: Generator, length: int = BUFFER) -> Samples:
    """One sound of a random kind: float32 (length,), -1 to 1."""
    kinds = (
        *(_silence, _noise, _swelling, _clicks, _hum),
        *(_melody, _melody, _chords, _held, _held, _siren),
    )
    sound = kinds[rng.integers(len(kinds))](length, rng)
    if rng.random() < CUT_SHORT:  # a key of a piano, a beep, a slammed door
        sound[int(rng.uniform(0.05, 1) * length) :] = 0
    if sound.any():
        sound = record(sound, rng)
    return sound


def _silence(length: int, rng: Generator) -> Samples:
    """Nothing at all, or the last bit of a microphone."""
    level = rng.choice([0.0, 1 / 32768, 4 / 32768])
    return np.float32(level) * np.rint(rng.standard_normal(length)).astype(np.float32)


def _noise(length: int, rng: Generator) -> Samples:
    return coloured_noise(length, rng.uniform(-0.5, 2.5), rng)


def _swelling(length: int, rng: Generator) -> Samples:
    """Noise that comes and goes: wind, breath, traffic."""
    slow = np.abs(coloured_noise(length, 2, rng)) ** rng.uniform(0.5, 3)
    burst = np.exp(
        -(((_times(length) - rng.uniform(0.2, 1.8)) / rng.uniform(0.05, 0.4)) ** 2)
    )
    swell = burst if rng.random() < 0.5 else slow
    return (_noise(length, rng) * swell).astype(np.float32) + 0.01 * _noise(length, rng)


def _clicks(length: int, rng: Generator) -> Samples:
    """Keys, knocks and claps: bursts that die away within a few hundredths."""
    sound = 0.003 * _noise(length, rng)
    for start in rng.integers(0, length - 400, rng.integers(1, 8)):
        rest = np.arange(length - start) / RATE
        burst = rng.standard_normal(length - start) * np.exp(
            -rest / rng.uniform(0.001, 0.05)
        )
        tone = np.sin(2 * np.pi * rng.uniform(80, 3000) * rest)
        knock = burst * tone if rng.random() < 0.5 else burst
        sound[start:] += knock.astype(np.float32)
    return sound


def _hum(length: int, rng: Generator) -> Samples:
    """Mains and engines: few steady overtones, and some noise."""
    tone = _note(rng.choice([50, 60, rng.uniform(30, 1000)]), length, rng)
    return tone + np.float32(rng.uniform(0, 0.3)) * _noise(length, rng)


def _melody(length: int, rng: Generator) -> Samples:
    """Notes one after the other, of one instrument."""
    sound, at = np.zeros(length, np.float32), 0
    while at < length:
        lasts = min(int(rng.uniform(0.06, 0.8) * RATE), length - at)
        decay = np.exp(-np.arange(lasts) / RATE / rng.uniform(0.1, 2))
        sound[at : at + lasts] += _note(_pitch(rng), lasts, rng) * decay.astype(
            np.float32
        )
        at += lasts
    return sound + np.float32(0.003) * _noise(length, rng)


def _chords(length: int, rng: Generator) -> Samples:
    """Several voices at once, and a drum now and then."""
    sound = sum(_melody(length, rng) for _ in range(rng.integers(2, 5)))
    drum = _clicks(length, rng) * np.float32(rng.uniform(0, 2))
    return np.asarray(sound + drum, np.float32)


def _held(length: int, rng: Generator) -> Samples:
    """A few tones held together, pure or of an instrument, without any noise."""
    pure = rng.random() < 0.5
    sound = np.zeros(length, np.float32)
    for _ in range(rng.integers(1, 6)):
        hertz = _pitch(rng) if rng.random() < 0.8 else rng.uniform(60, 3800)
        phase = 2 * np.pi * hertz * _times(length) + rng.uniform(0, 2 * np.pi)
        tone = np.sin(phase) if pure else _note(hertz, length, rng)
        sound += np.float32(rng.uniform(0.3, 1)) * tone.astype(np.float32)
    fades = rng.choice([0, rng.uniform(0.2, 6)])
    return np.asarray(sound * np.exp(-fades * _times(length)), np.float32)


def _siren(length: int, rng: Generator) -> Samples:
    """A tone that glides up and down: sirens, whistles, alarms."""
    swings = np.sin(2 * np.pi * rng.uniform(0.2, 6) * _times(length))
    if rng.random() < 0.3:
        swings = np.sign(swings)  # two tones in turn
    hertz = rng.uniform(200, 2500) * 2 ** (rng.uniform(0.1, 1) * swings)
    tone = np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    overtone = rng.uniform(0, 0.5) * np.sin(6 * np.pi * np.cumsum(hertz) / RATE)
    return np.asarray(tone + overtone, np.float32)


def _note(hertz: float, length: int, rng: Generator) -> Samples:
    """A tone of up to eight overtones, perhaps with vibrato or a slide."""
    times = _times(length)
    vibrato = rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * times)
    slide = rng.choice([0, 0, rng.uniform(-0.5, 0.5)]) * times
    phase = 2 * np.pi * np.cumsum(hertz * (1 + vibrato + slide)) / RATE
    falls = rng.uniform(0.3, 2.5)
    tone = sum(
        np.sin(part * phase) * rng.uniform(0.2, 1) / part**falls
        for part in range(1, 9)
        if part * hertz < RATE / 2
    )
    return np.full(length, tone, np.float32)


def _pitch(rng: Generator) -> float:
    return float(A4 * 2 ** ((rng.integers(LOWEST_NOTE, HIGHEST_NOTE) - A4_NOTE) / 12))


def _times(length: int) -> Samples:
    return np.arange(length, dtype=np.float32) / np.float32(RATE)
