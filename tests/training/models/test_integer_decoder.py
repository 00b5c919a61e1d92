"""What a decoder in whole numbers draws is exact: any order of sums gives the same."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from service.contract.manifest import Training, read_manifest
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from training.core.export import Card, export_version
from training.models.clothing.decoder import build_decoder, draw_latents, one_hot
from training.models.clothing.integer_decoder import (
    CATEGORY_STEPS,
    LATENT_STEPS,
    ExactDecoder,
    Linear,
    NotConvertible,
    build_function,
    read_layers,
)

LATENT_DIMS = 12
ROWS = 300
CARD = Card(
    name="tiny",
    task="test",
    description="A decoder for tests.",
    intended_use="Tests.",
    limits="All else.",
    labels=(),
    batch_sizes=(1, 5, 32),
    training=Training(
        data=(),
        seed=1,
        epochs=0,
        seconds=0,
        hardware="any",
        versions={},
        git_commit="none",
        hyperparameters={},
    ),
    metrics={},
)


@pytest.fixture(scope="module")
def sample() -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    return {
        "latent": draw_latents(rng, ROWS, LATENT_DIMS),
        "category": one_hot(rng.integers(0, 10, ROWS)),
    }


@pytest.fixture(scope="module")
def decoder(sample: dict[str, Any]) -> keras.Model:
    """Random weights, but statistics and a spread of logits like a trained one's."""
    keras.utils.set_random_seed(1)
    decoder = build_decoder(LATENT_DIMS, 32, (16, 12, 8))
    rows = [tf.constant(sample[name]) for name in ("latent", "category")]
    learn = tf.function(lambda: decoder(rows, training=True))
    for _ in range(80):
        learn()
    for weight in decoder.trainable_variables:
        if "gamma" in weight.path or "beta" in weight.path:
            weight.assign_add(keras.random.normal(weight.shape, stddev=0.2))
        if weight.path == "logits/kernel":
            weight.assign(weight * 8)
    return decoder


@pytest.fixture(scope="module")
def draw(decoder: keras.Model, sample: dict[str, Any]) -> Any:
    function = build_function(decoder, sample)
    specs = [
        tf.TensorSpec(each.shape, each.dtype, each.name) for each in function.inputs
    ]
    return tf.function(function.call, input_signature=specs)


def test_every_batch_size_and_every_place_in_it_gives_the_same_bytes(
    draw: Any, sample: dict[str, Any]
) -> None:
    together = draw(**sample)["image"].numpy()
    for size in (1, 2, 3, 7, 8, 31, 32):
        parts = [
            draw(**{name: rows[at : at + size] for name, rows in sample.items()})
            for at in range(0, 62, size)
        ]
        apart = np.concatenate([part["image"].numpy() for part in parts])
        np.testing.assert_array_equal(apart, together[: len(apart)])


def test_whole_numbers_draw_what_the_real_ones_do(
    decoder: keras.Model, draw: Any, sample: dict[str, Any]
) -> None:
    whole = draw(**sample)["image"].numpy().astype(float)
    logits = decoder([sample["latent"], sample["category"]], training=False)
    real = 255 * tf.sigmoid(logits).numpy()[..., 0]

    assert real.std() > 30, "an empty picture would prove nothing"
    assert np.abs(whole - real).mean() < 1.5


def test_every_sum_is_the_one_that_integers_give(
    decoder: keras.Model, sample: dict[str, Any]
) -> None:
    latent, category = sample["latent"][:5], sample["category"][:5]
    exact = ExactDecoder(read_layers(decoder), sample["latent"], sample["category"])

    expected = reference(exact, latent, category)

    np.testing.assert_array_equal(exact(latent, category).numpy(), expected)


def test_the_service_draws_the_same_bytes(
    decoder: keras.Model, sample: dict[str, Any], tmp_path: Path
) -> None:
    function = build_function(decoder, sample)
    folder = export_version(CARD, {"decode": function}, tmp_path)
    served = TensorFlowModel(
        tf.saved_model.load(str(folder)), read_manifest(folder), "/CPU:0"
    )

    for size in (1, 5, 32):
        rows = tuple(sample[name][:size] for name in ("latent", "category"))
        (images,) = served.run("decode", rows)
        live = function.call(*(tf.constant(array) for array in rows))["image"]
        np.testing.assert_array_equal(images, live.numpy())


def test_latents_beyond_four_are_taken_as_four(draw: Any) -> None:
    pure = np.eye(10, dtype=np.float32)[:1]
    far, edge = (
        np.full((1, LATENT_DIMS), value, np.float32) for value in (1000.0, 4.0)
    )
    np.testing.assert_array_equal(
        draw(latent=far, category=pure)["image"],
        draw(latent=edge, category=pure)["image"],
    )


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ([keras.layers.Dense(4), keras.layers.Activation("tanh")], "Activation"),
        ([keras.layers.Dense(4), keras.layers.Dense(3)], "a ReLU after every"),
        ([keras.layers.Dense(4), keras.layers.ReLU()], "a ReLU after every"),
        ([keras.layers.ReLU(), keras.layers.Dense(4)], "a linear layer before"),
        ([keras.layers.Embedding(4, 2)], "a linear layer before"),
    ],
    ids=["tanh", "no relu", "no logits", "nothing linear", "embedding"],
)
def test_other_decoders_are_refused(layers: list[Any], why: str) -> None:
    with pytest.raises(NotConvertible, match=why):
        read_layers(keras.Sequential([keras.Input((2,)), *layers]))


def test_a_kernel_whose_sums_would_not_fit_is_made_coarser() -> None:
    wide = Linear("dense", np.ones((40_000, 1)), np.zeros(1), shape=(1, 1, 1))
    latent = np.full((1, 39_990), 4.0, np.float32)

    exact = ExactDecoder([wide], latent, one_hot(np.array([0])))

    assert exact(latent, one_hot(np.array([0]))).numpy() == 255


def reference(
    exact: ExactDecoder, latent: npt.NDArray[Any], category: npt.NDArray[Any]
) -> npt.NDArray[np.uint8]:
    """The same in int64, with a plain sum over every window."""
    x = np.concatenate(
        [
            np.rint(latent.clip(-4, 4) * LATENT_STEPS),
            np.rint(category * CATEGORY_STEPS),
        ],
        axis=1,
    ).astype(np.int64)
    for step in exact.steps:
        layer = step.layer
        kernel, bias = layer.kernel.astype(np.int64), layer.bias.astype(np.int64)
        if layer.kind == "dense":
            sums = x @ kernel
        elif layer.kind == "convolution":
            sums = convolve(x, kernel)
        else:
            sums = convolve_transposed(x, kernel, layer.stride)
        scaled = (sums + bias).astype(np.float32) * step.scale.numpy()
        x = (np.rint(scaled) + step.offset).clip(0, step.last).astype(np.int64)
        x = x if layer.shape is None else x.reshape(-1, *layer.shape)
    shades: npt.NDArray[np.uint8] = exact.shades.numpy()[x[..., 0]]
    return shades


def convolve(x: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stride 1, as wide as before."""
    side = len(kernel)
    pad = side // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (1, 2))
    return np.asarray(np.einsum("nhwcij,ijco->nhwo", windows, kernel))


def convolve_transposed(
    x: npt.NDArray[Any], kernel: npt.NDArray[Any], stride: int
) -> npt.NDArray[Any]:
    """Every input pixel paints the kernel; what hangs over on all sides is cut off."""
    rows, height, width, _ = x.shape
    side = len(kernel)
    canvas = np.zeros(
        (
            rows,
            (height - 1) * stride + side,
            (width - 1) * stride + side,
            kernel.shape[-1],
        ),
        np.int64,
    )
    for i in range(height):
        for j in range(width):
            top, left = i * stride, j * stride
            canvas[:, top : top + side, left : left + side] += np.einsum(
                "nc,ijco->nijo", x[:, i, j], kernel
            )
    cut = (side - stride) // 2
    return canvas[:, cut : cut + height * stride, cut : cut + width * stride]
