"""A decoder in whole numbers: the same bytes in every batch and on every machine.

Sums of floats depend on their order, and the order on the batch, the processor and the
library. So the decoder is rewritten with whole numbers that are small enough for every
sum to be exact in float32, whatever the order:

    latent ─▶ round to 1/32 ─▶ linear: |Σ| < 2²⁴ ─▶ × scale, round, clip: 0…255 ─▶ …
                            … ─▶ linear ─▶ × scale, round ─▶ sigmoid's table ─▶ uint8

Weights stay within ±256 and activations within 0 to 255, which bfloat16 and TF32 hold
exactly too. The scheme is the affine one of Jacob et al., "Quantization and training of
neural networks for efficient integer-arithmetic-only inference", 2018, a scale for each
channel; the rounding of a product is IEEE 754's, which all processors share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core.export import Function

Floats = npt.NDArray[np.float64]

LATENT_STEPS = 32  # to a unit
LATENT_LIMIT = 4.0
CATEGORY_STEPS = 128
LARGEST_ACTIVATION = 255
LARGEST_WEIGHT = 256
LARGEST_SUM = 2**24 - 1  # float32 holds every whole number up to here
LOGIT_STEPS = 128
LOGIT_LIMIT = 8.0  # sigmoid(−8) × 255 rounds to 0


class NotConvertible(ValueError):
    """The decoder has a layer, or an order of layers, that has no whole-number form."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer with the normalisation after it folded in.

    Attributes:
        kind: which of Keras's layers.
        kernel: float64 (…, in, out), with height and width before them if it has them.
        bias: float64 (out,).
        stride: of a convolution.
        shape: what a row of the output is reshaped to; None = as it comes.
        rectified: whether a ReLU follows.
    """

    kind: Literal["dense", "convolution", "transposed"]
    kernel: Floats
    bias: Floats
    stride: int = 1
    shape: tuple[int, ...] | None = None
    rectified: bool = False

    def apply(self, x: Any, kernel: Any) -> Any:
        """The product of `x` (rows, …, in) and a kernel of this one's shape."""
        if self.kind == "dense":
            return tf.matmul(x, kernel)
        if self.kind == "convolution":
            return tf.nn.conv2d(x, kernel, self.stride, "SAME")
        rows, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
        size = [rows, height * self.stride, width * self.stride, kernel.shape[-1]]
        turned = tf.transpose(kernel, (0, 1, 3, 2))
        return tf.nn.conv2d_transpose(x, turned, size, self.stride, "SAME")


class ExactDecoder:
    """A decoder in whole numbers: latents and categories to images.

    Args:
        layers: as `read_layers` gives them.
        latents: float32 (rows, latent_dims), to see how large activations become.
        categories: float32 (rows, 10), weights of the categories, likewise.
    """

    def __init__(
        self,
        layers: Sequence[Linear],
        latents: npt.NDArray[np.float32],
        categories: npt.NDArray[np.float32],
    ):
        steps = np.repeat(
            [LATENT_STEPS, CATEGORY_STEPS], [latents.shape[1], categories.shape[1]]
        )
        unit, most = 1 / steps.astype(np.float64), int(LATENT_LIMIT * LATENT_STEPS)
        x = self._enter(tf.constant(latents), tf.constant(categories))
        self.steps: list[_Step] = []
        for layer in layers:
            step = _Step(layer, unit, most, x)
            self.steps.append(step)
            unit, most, x = step.unit, LARGEST_ACTIVATION, step(x)
        logits = np.arange(-LOGIT_LIMIT, LOGIT_LIMIT, 1 / LOGIT_STEPS)
        shades = np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8)
        self.shades = tf.Variable(shades, trainable=False, name="shades")

    def __call__(self, latent: Any, category: Any) -> Any:
        """Draw images.

        Args:
            latent: float32 (rows, latent_dims); clipped to ±4, rounded to 1/32.
            category: float32 (rows, 10); clipped to 0…1, rounded to 1/128.

        Returns:
            uint8 (rows, 28, 28), 0 = background.
        """
        x = self._enter(latent, category)
        for step in self.steps:
            x = step(x)
        return tf.gather(self.shades, tf.cast(x[..., 0], tf.int32))

    def _enter(self, latent: Any, category: Any) -> Any:
        latent = tf.clip_by_value(latent, -LATENT_LIMIT, LATENT_LIMIT) * LATENT_STEPS
        category = tf.clip_by_value(category, 0.0, 1.0) * CATEGORY_STEPS
        return tf.round(tf.concat([latent, category], axis=1))


class _Step:
    """A layer in whole numbers, and the way back from its sums to small ones.

    Args:
        layer: the same in real numbers.
        unit: (in,) what 1 of each input channel is worth.
        most: the largest input.
        x: inputs to see the largest outputs of.

    Attributes:
        unit: (out,) what 1 of each output channel is worth.
    """

    def __init__(self, layer: Linear, unit: Floats, most: int, x: Any):
        kernel = layer.kernel * unit[:, None]
        size = np.abs(kernel).reshape(-1, kernel.shape[-1])
        bound = size.sum(0) * most + np.abs(layer.bias)
        # 5 % to spare, since each weight may be rounded up
        worth = np.maximum(size.max(0) / LARGEST_WEIGHT, 1.05 * bound / LARGEST_SUM)
        worth = np.maximum(worth, np.finfo(np.float32).tiny)
        whole, bias = np.rint(kernel / worth), np.rint(layer.bias / worth)
        _check(whole, bias, most)
        self.layer = replace(layer, kernel=whole, bias=bias)
        self._kernel = tf.Variable(whole.astype(np.float32), trainable=False)
        self._bias = tf.Variable(bias.astype(np.float32), trainable=False)
        if layer.rectified:
            self.unit = self._highest(x, worth) / LARGEST_ACTIVATION
            self.offset, self.last = 0.0, float(LARGEST_ACTIVATION)
        else:
            self.unit = np.full_like(worth, 1 / LOGIT_STEPS)
            self.offset = LOGIT_LIMIT * LOGIT_STEPS
            self.last = 2 * LOGIT_LIMIT * LOGIT_STEPS - 1
        scale = worth / np.tile(self.unit, len(worth) // len(self.unit))
        self.scale = tf.Variable(scale.astype(np.float32), trainable=False)

    def __call__(self, x: Any) -> Any:
        """Whole numbers (rows, …, in) to whole numbers (rows, …, out), as float32."""
        sums = self._sum(x)
        # Neither changes a sum that matters. Without them an optimiser of graphs would
        # multiply the scale into the kernel, where it is no whole number any more.
        sums = tf.nn.relu(sums) if self.layer.rectified else tf.round(sums)
        scaled = tf.round(sums * self.scale) + self.offset
        scaled = tf.clip_by_value(scaled, 0.0, self.last)
        if self.layer.shape is None:
            return scaled
        return tf.reshape(scaled, (-1, *self.layer.shape))

    def _sum(self, x: Any) -> Any:
        return self.layer.apply(x, self._kernel) + self._bias

    def _highest(self, x: Any, worth: Floats) -> Floats:
        """The largest output of each channel, as the next layer sees channels."""
        sums = self._sum(x).numpy().reshape(-1, len(worth)).max(0)
        channels = (self.layer.shape or worth.shape)[-1]
        highest = np.maximum(sums, 1) * worth
        return np.asarray(highest.reshape(-1, channels).max(0))


def build_function(decoder: keras.Model, sample: Mapping[str, Any]) -> Function:
    """Write a Keras decoder in whole numbers, as the signature `decode`.

    Args:
        decoder: as `training.models.clothing.decoder.build_decoder` makes it, trained.
        sample: `latent` float32 (rows, latent_dims) and `category` float32 (rows, 10),
            a thousand or more, as the decoder will be asked for: the largest activation
            that they cause is the largest that can be told apart.

    Raises:
        NotConvertible: The decoder has a layer that this module does not know.
    """
    latent, category = sample["latent"], sample["category"]
    exact = ExactDecoder(read_layers(decoder), latent, category)

    def decode(latent: Any, category: Any) -> dict[str, Any]:
        return {"image": exact(latent, category)}

    inputs = tuple(
        TensorSpec(name=name, dtype="float32", shape=(None, array.shape[1]))
        for name, array in (("latent", latent), ("category", category))
    )
    return Function(decode, inputs, {name: sample[name][:64] for name in sample})


def read_layers(decoder: keras.Model) -> list[Linear]:
    """Take a Keras decoder apart: linear layers, normalisation folded into them.

    Raises:
        NotConvertible: A layer of another kind, or where it cannot be folded.
    """
    found: list[Linear] = []
    for layer in decoder.layers:
        if isinstance(layer, keras.layers.InputLayer | keras.layers.Concatenate):
            continue
        linear = _read_linear(layer)
        if linear is not None:
            found.append(linear)
        elif found and not found[-1].rectified:
            found[-1] = _extend(found[-1], layer)
        else:
            raise NotConvertible(f"{layer.name}: expected a linear layer before it")
    inner, last = found[:-1], found[-1]
    if last.rectified or not all(linear.rectified for linear in inner):
        raise NotConvertible("expected a ReLU after every linear layer but the last")
    return found


def _read_linear(layer: Any) -> Linear | None:
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return None
    real = kernel.numpy().astype(np.float64)
    bias = 0.0 if layer.bias is None else layer.bias.numpy().astype(np.float64)
    match layer:
        case keras.layers.Dense():
            return Linear("dense", real, np.zeros(real.shape[-1]) + bias)
        case keras.layers.Conv2DTranspose(padding="same", strides=(stride, _)):
            real = np.swapaxes(real, -1, -2)
            return Linear("transposed", real, np.zeros(real.shape[-1]) + bias, stride)
        case keras.layers.Conv2D(padding="same", strides=(stride, _)):
            return Linear("convolution", real, np.zeros(real.shape[-1]) + bias, stride)
    raise NotConvertible(f"{layer.name}: received a {type(layer).__name__}")


def _extend(linear: Linear, layer: Any) -> Linear:
    """Fold what follows a linear layer into it."""
    match layer:
        case keras.layers.ReLU():
            return replace(linear, rectified=True)
        case keras.layers.Reshape():
            return replace(linear, shape=tuple(layer.target_shape))
        case keras.layers.BatchNormalization():
            deviation = np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
            factor = layer.gamma.numpy().astype(np.float64) / deviation
            shift = layer.beta.numpy() - layer.moving_mean.numpy() * factor
            places = len(linear.bias) // len(factor)  # a reshape came between
            factor, shift = np.tile(factor, places), np.tile(shift, places)
            return replace(
                linear,
                kernel=linear.kernel * factor,
                bias=linear.bias * factor + shift,
            )
    raise NotConvertible(f"{layer.name}: received a {type(layer).__name__}")


def _check(kernel: Floats, bias: Floats, most: int) -> None:
    """Prove that no sum can leave the whole numbers that float32 holds."""
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(0) * most + np.abs(bias)
    if largest.max() > LARGEST_SUM or np.abs(kernel).max() > LARGEST_WEIGHT:
        raise NotConvertible(
            f"expected sums up to {LARGEST_SUM}, received {largest.max():.0f}"
        )
