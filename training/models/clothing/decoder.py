"""The network that both clothing generators draw with: a latent and a category in."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from training.core.layers import normalise

CATEGORIES = 10


def build_decoder(
    latent_dims: int, hidden: int, widths: tuple[int, int, int]
) -> keras.Model:
    """Build the decoder: latents and categories to logits (rows, 28, 28, 1).

    Made only of layers that `integer_decoder` can write in whole numbers, so that what
    it draws is the same to the byte everywhere. Transposed convolutions of 4×4 with
    stride 2 touch every pixel equally often (Odena et al., "Deconvolution and
    checkerboard artifacts", 2016).

    Args:
        latent_dims: length of a latent, standard-normal float32 (rows, latent_dims);
            categories are weights, float32 (rows, 10), one-hot for a pure one.
        hidden: units of the dense layer in which latent and category meet.
        widths: channels at 7×7, 14×14 and 28×28.
    """
    layers = keras.layers
    latent = keras.Input((latent_dims,), name="latent")
    category = keras.Input((CATEGORIES,), name="category")
    x = layers.Concatenate(name="both")([latent, category])
    x = layers.Dense(hidden, use_bias=False, name="meet")(x)
    x = normalise(x, "meet")
    x = layers.Dense(49 * widths[0], use_bias=False, name="spread")(x)
    x = layers.Reshape((7, 7, widths[0]), name="image")(x)
    x = normalise(x, "spread")
    for number, width in enumerate(widths[1:], start=1):
        x = layers.Conv2DTranspose(
            width, 4, strides=2, padding="same", use_bias=False, name=f"double{number}"
        )(x)
        x = normalise(x, f"double{number}")
    logits = layers.Conv2D(1, 5, padding="same", name="logits")(x)
    return keras.Model([latent, category], logits, name="decoder")


def emphasise_category(decoder: keras.Model, latent_dims: int) -> None:
    """Let ten categories weigh as much as all latents do, from the first step."""
    kernel = decoder.get_layer("meet").kernel
    scale = [1.0] * latent_dims + [latent_dims**0.5] * CATEGORIES
    kernel.assign(kernel * np.array(scale, np.float32)[:, None])


def draw_latents(
    rng: np.random.Generator, rows: int, latent_dims: int
) -> npt.NDArray[np.float32]:
    """Draw (rows, latent_dims) float32, standard normal."""
    return rng.standard_normal((rows, latent_dims), dtype=np.float32)


def one_hot(categories: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Turn (rows,) indices, 0 to 9, into (rows, 10) float32 weights."""
    return np.asarray(np.eye(CATEGORIES, dtype=np.float32)[categories])
