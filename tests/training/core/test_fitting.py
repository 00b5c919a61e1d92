"""The best epoch is kept, whatever came after it."""

import keras
import numpy as np
import tensorflow as tf

from training.core.fitting import build_adamw, fit_best


def test_the_epoch_with_the_lowest_validation_loss_is_kept() -> None:
    # Its one weight grows by 1 in each epoch, and 3 is what validation wants.
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), weight])
    model.compile(keras.optimizers.SGD(1.0), "mae")
    one = np.ones((1, 1), np.float32)
    stream = tf.data.Dataset.from_tensors((one, 100 * one)).repeat()
    validation = tf.data.Dataset.from_tensors((one, 3 * one))

    history = fit_best(model, stream, validation, epochs=6, steps_per_epoch=1)

    assert weight.kernel.numpy().item() == 3
    assert history["val_loss"] == [2, 1, 0, 1, 2, 3]  # all six were trained


def test_a_running_mean_of_the_weights_is_judged_and_kept_where_one_is_asked_for() -> (
    None
):
    # Its one weight grows by 1 in each epoch, and its mean follows it: 1, 1.5, 2.25, …
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), weight])
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), "mae")
    one = np.ones((1, 1), np.float32)
    stream = tf.data.Dataset.from_tensors((one, 100 * one)).repeat()
    validation = tf.data.Dataset.from_tensors((one, 1.5 * one))

    history = fit_best(model, stream, validation, epochs=4, steps_per_epoch=1)

    assert weight.kernel.numpy().item() == 1.5
    assert history["val_loss"] == [0.5, 0, 0.75, 1.625]
    assert history["loss"] == [100, 99, 98, 97]  # training went on from no mean


def test_the_last_mean_is_kept_where_no_epoch_is_to_be_chosen() -> None:
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), weight])
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), "mae")
    one = np.ones((1, 1), np.float32)
    stream = tf.data.Dataset.from_tensors((one, 100 * one)).repeat()
    validation = tf.data.Dataset.from_tensors((one, 1.5 * one))

    fit_best(model, stream, validation, 3, steps_per_epoch=1, keep_last=True)

    assert weight.kernel.numpy().item() == 2.25


def test_the_mean_is_kept_by_the_share_that_was_asked_for() -> None:
    assert build_adamw(0.5, 0.1, 4, 10, averaged=0.9).ema_momentum == 0.9
    assert not build_adamw(0.5, 0.1, 4, 10).use_ema


def test_the_rate_rises_for_an_epoch_and_falls_to_nothing() -> None:
    rate = build_adamw(0.5, 0.1, epochs=4, steps_per_epoch=10)._learning_rate

    found = [round(float(rate(step)), 3) for step in (0, 5, 10, 25, 40)]
    assert found == [0, 0.25, 0.5, 0.25, 0]
