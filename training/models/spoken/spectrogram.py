"""From samples to what the network looks at, all of it in the graph.

    samples ─▶ loudest word ─▶ 1.2 s around it ─▶ 80 spectra ─▶ 32 mel bands ─▶ log

A user holds a button and speaks: the word lies anywhere between breath and clicks. It
is where most loudness lies within the length of a word, and is brought to the middle.
The Fourier transform is a convolution with sines and cosines, which every runtime has.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

RATE = 8000  # samples a second
HOP = 120  # samples from spectrum to spectrum: 15 ms
BLOCK = 100  # samples whose loudness is taken together
FRAME = 256  # samples of a spectrum: 32 ms
FRAMES = 80  # spectra of a word
BANDS = 32
LOWEST, HIGHEST = 60.0, 3900.0  # Hz of the bands
PRE_EMPHASIS = 0.95  # which takes hum and rumble away
FLOOR = 1e-5  # of the loudest spectrum: 50 dB below it nothing is seen
SILENCE = 1e-9  # power of a band below what 16 bits can hold
MIDDLE, SPREAD = -6.5, 3.0  # of the logarithms, about; so that they are near 0 and 1

Floats = npt.NDArray[np.float32]


def word_length(frames: int = FRAMES, hop: int = HOP) -> int:
    """Samples that so many spectra are made of."""
    return (frames - 1) * hop + FRAME


def see_word(samples: Any, length: int, frames: int = FRAMES, hop: int = HOP) -> Any:
    """The spectrogram of the loudest word.

    Args:
        samples: float32 (rows, length), -1 to 1.
        length: of the samples, a multiple of `BLOCK`.
        frames: wanted, with the word in their middle.
        hop: samples from one to the next; other ones than `HOP` stretch the time.

    Returns:
        float32 (rows, frames, BANDS), about 0 and 1.
    """
    sharp = samples - PRE_EMPHASIS * tf.pad(samples, [[0, 0], [1, 0]])[:, :-1]
    window = word_length(frames, hop)
    start = _find_word(sharp, length)[:, None] - window // 2
    padded = tf.pad(sharp, [[0, 0], [window, window]])
    at = start + window + tf.range(window, dtype=tf.int32)
    return _log_mel(tf.gather(padded, at, axis=1, batch_dims=1), hop)


def _find_word(sharp: Any, length: int) -> Any:
    """int32 (rows,): the sample in the middle of the loudest word."""
    blocks = tf.reshape(sharp, (-1, length // BLOCK, BLOCK))
    loudness = tf.sqrt(tf.reduce_mean(tf.square(blocks), axis=2))
    bump = np.hanning(word_length() // BLOCK).astype(np.float32)[:, None, None]
    near = tf.nn.conv1d(loudness[..., None], bump, stride=1, padding="SAME")
    return tf.argmax(near[..., 0], axis=1, output_type=tf.int32) * BLOCK + BLOCK // 2


def _log_mel(word: Any, hop: int) -> Any:
    """float32 (rows, samples) to (rows, frames, BANDS)."""
    waves = tf.nn.conv1d(word[..., None], _fourier(), stride=hop, padding="VALID")
    cosines, sines = tf.split(waves, 2, axis=2)
    power = tf.matmul(tf.square(cosines) + tf.square(sines), _mel_bands())
    loudest = tf.reduce_max(tf.reduce_mean(power, axis=2), axis=1)[:, None, None]
    share = power / (loudest + SILENCE)
    return (tf.math.log(share + FLOOR) - MIDDLE) / SPREAD


def _fourier() -> Floats:
    """The kernel (FRAME, 1, 2 × bins): cosines and sines under a Hann window."""
    angles = 2 * np.pi * np.outer(np.arange(FRAME), np.arange(FRAME // 2 + 1)) / FRAME
    window = np.hanning(FRAME + 1)[:-1, None]
    waves = np.concatenate([window * np.cos(angles), window * np.sin(angles)], axis=1)
    return waves[:, None].astype(np.float32)


def _mel_bands() -> Floats:
    """(bins, BANDS): how much of each bin a band takes; triangles on the mel scale."""
    with tf.init_scope():  # as numbers, in a graph too
        bands: Floats = tf.signal.linear_to_mel_weight_matrix(
            BANDS, FRAME // 2 + 1, RATE, LOWEST, HIGHEST
        ).numpy()
    return bands
