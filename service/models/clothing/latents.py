"""Latent vectors: settled on the grid of decoders, and blended; pure functions."""

import numpy as np

LIMIT = 4.0
STEPS = 32  # to a unit: the grid to which the decoders round what they are given


def settle(latents: np.ndarray) -> np.ndarray:
    """Put vectors where the decoder will see them: within ±4, on multiples of 1/32.

    The decoder does the same; done here too, what we say of a picture is exactly what
    it was drawn from, and the same whatever the last bit of a processor's logarithm.

    Args:
        latents: floats (rows, dims), finite.

    Returns:
        float32 (rows, dims).
    """
    steps = np.rint(np.clip(latents, -LIMIT, LIMIT) * STEPS)
    settled: np.ndarray = steps / STEPS + 0.0  # + 0 makes -0 a plain 0
    return settled.astype(np.float32)


def blend(first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
    """Go in a straight line, at an even pace, from one vector to another.

    A straight line and no arc: an arc keeps the length that random vectors of many
    dimensions have, but encodings are shorter than those and of unequal lengths, and
    their middle is where the decoder was trained most. A line also has a meaning for
    the weights of categories, and no exceptions for opposite or empty vectors.

    Args:
        first: float32 (dims,).
        last: float32 (dims,).
        steps: At least 2, both ends counted.

    Returns:
        float64 (steps, dims); its ends are exactly those given.
    """
    position = np.linspace(0, 1, steps)[:, None]
    start = first.astype(np.float64)
    blended: np.ndarray = start + position * (last - start)
    return blended
