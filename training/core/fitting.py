"""What every Keras training run here shares: repeatable, and the best epoch kept."""

import logging
import sys
from typing import Any

import keras
import tensorflow as tf

log = logging.getLogger(__name__)


def make_repeatable(seed: int) -> None:
    """Seed everything random and forbid operations whose order of sums may vary.

    The same code, seed, library versions, processor type and number of cores then give
    the same weights. Another processor rounds differently and gives others as good.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def build_adamw(
    learning_rate: float, weight_decay: float, epochs: int, steps_per_epoch: int
) -> Any:
    """Build AdamW, warmed up over the first epoch and cooled to nothing by the last.

    Decay spares biases and normalisation (Loshchilov and Hutter, "Decoupled weight
    decay regularization", 2019; the cosine is of their "SGDR", 2017).

    Args:
        learning_rate: the highest.
        weight_decay: share lost in a step, times the learning rate.
        epochs: at least one.
        steps_per_epoch: batches in an epoch.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=learning_rate,
        warmup_steps=steps_per_epoch,
        decay_steps=max(1, (epochs - 1) * steps_per_epoch),
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def fit_best(
    model: Any, stream: Any, validation: Any, epochs: int, steps_per_epoch: int
) -> dict[str, list[float]]:
    """Train, show the progress, and leave the best epoch's weights in the model.

    The best has the lowest validation loss, which is less of a lottery than accuracy:
    that moves in steps of whole rows.

    Args:
        model: compiled Keras model.
        stream: endless `tf.data.Dataset` of training batches.
        validation: finite `tf.data.Dataset` of batches that training never sees.
        epochs: at least one.
        steps_per_epoch: batches in an epoch.

    Returns:
        Metric → value at each epoch; those on the validation split begin with `val_`.
    """
    best = _BestEpoch(model)
    history = model.fit(
        stream,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        shuffle=False,  # the stream does it
        validation_data=validation,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=best.consider)],
        verbose=1 if sys.stdout.isatty() else 2,
    ).history
    model.set_weights(best.weights)
    log.info("Kept epoch %d of %d, the lowest validation loss", best.epoch, epochs)
    return {metric: [float(v) for v in values] for metric, values in history.items()}


class _BestEpoch:
    def __init__(self, model: Any) -> None:
        self._model = model
        self._loss = float("inf")
        self.epoch = 0
        self.weights: list[Any] = model.get_weights()

    def consider(self, epoch: int, logs: dict[str, float]) -> None:
        if logs["val_loss"] < self._loss:
            self._loss = logs["val_loss"]
            self.epoch = epoch + 1
            self.weights = self._model.get_weights()
