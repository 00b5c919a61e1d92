"""The best epoch is kept, whatever came after it."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.core.fitting import build_adamw, fit_best


def fit_counter(
    optimizer: Any, wanted: float, epochs: int, **options: Any
) -> tuple[float, dict[str, list[float]]]:
    """Train one weight, which grows by 1 in each epoch.

    Args:
        optimizer: SGD at a rate of 1.
        wanted: what validation would have the weight be.
        epochs: of one step.
        options: of `fit_best`.

    Returns:
        What was kept of it, and how training went.
    """
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), weight])
    model.compile(optimizer, "mae")
    one = np.ones((1, 1), np.float32)
    stream = tf.data.Dataset.from_tensors((one, 100 * one)).repeat()
    validation = tf.data.Dataset.from_tensors((one, wanted * one))
    history = fit_best(model, stream, validation, epochs, 1, **options)
    return weight.kernel.numpy().item(), history


def averaging() -> Any:
    """The mean follows the weight: 1, 1.5, 2.25, …"""
    return keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)


def test_the_epoch_with_the_lowest_validation_loss_is_kept() -> None:
    kept, history = fit_counter(keras.optimizers.SGD(1.0), 3, epochs=6)

    assert kept == 3
    assert history["val_loss"] == [2, 1, 0, 1, 2, 3]  # all six were trained


def test_a_running_mean_of_the_weights_is_judged_and_kept_where_one_is_asked_for() -> (
    None
):
    kept, history = fit_counter(averaging(), 1.5, epochs=4)

    assert kept == 1.5
    assert history["val_loss"] == [0.5, 0, 0.75, 1.625]
    assert history["loss"] == [100, 99, 98, 97]  # training went on from no mean


def test_the_last_mean_is_kept_where_no_epoch_is_to_be_chosen() -> None:
    kept, _ = fit_counter(averaging(), 1.5, epochs=3, keep_last=True)

    assert kept == 2.25


def test_the_mean_is_kept_by_the_share_that_was_asked_for() -> None:
    assert build_adamw(0.5, 0.1, 4, 10, averaged=0.9).ema_momentum == 0.9
    assert not build_adamw(0.5, 0.1, 4, 10).use_ema


def test_the_rate_rises_for_an_epoch_and_falls_to_nothing() -> None:
    rate = build_adamw(0.5, 0.1, epochs=4, steps_per_epoch=10)._learning_rate

    found = [round(float(rate(step)), 3) for step in (0, 5, 10, 25, 40)]
    assert found == [0, 0.25, 0.5, 0.25, 0]
