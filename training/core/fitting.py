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
    learning_rate: float,
    weight_decay: float,
    epochs: int,
    steps_per_epoch: int,
    averaged: float | None = None,
) -> Any:
    """Build AdamW, warmed up over the first epoch and cooled to nothing by the last.

    Decay spares biases and normalisation (Loshchilov and Hutter, "Decoupled weight
    decay regularization", 2019; the cosine is of their "SGDR", 2017).

    Args:
        learning_rate: the highest.
        weight_decay: share lost in a step, times the learning rate.
        epochs: at least one.
        steps_per_epoch: batches in an epoch.
        averaged: share that each step leaves of a running mean of the weights; this
            mean is then what `fit_best` judges and keeps.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=learning_rate,
        warmup_steps=steps_per_epoch,
        decay_steps=max(1, (epochs - 1) * steps_per_epoch),
    )
    mean = {} if averaged is None else {"use_ema": True, "ema_momentum": averaged}
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, **mean)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def stream_batches(arrays: tuple[Any, ...], batch_size: int, seed: int) -> Any:
    """Stream whole batches without end, reshuffled in each epoch.

    Args:
        arrays: as many rows in each.
        batch_size: rows in a batch; what is left over at an epoch's end is dropped.
        seed: of the order.

    Returns:
        A `tf.data.Dataset` of tuples.
    """
    rows = tf.data.Dataset.from_tensor_slices(arrays)
    shuffled = rows.shuffle(len(rows), seed=seed)
    return shuffled.batch(batch_size, drop_remainder=True).repeat()


def fit_best(
    model: Any,
    stream: Any,
    validation: Any,
    epochs: int,
    steps_per_epoch: int,
    *,
    keep_last: bool = False,
) -> dict[str, list[float]]:
    """Train, show the progress, and leave one epoch's weights in the model.

    It is the best one unless the last is asked for. The best has the lowest validation
    loss, which is less of a lottery than accuracy: that moves in steps of whole rows.

    Args:
        model: compiled Keras model.
        stream: endless `tf.data.Dataset` of training batches.
        validation: finite `tf.data.Dataset` of batches that training never sees.
        epochs: at least one.
        steps_per_epoch: batches in an epoch.
        keep_last: choose no epoch, and leave the last one's weights: where training
            shows what validation has not.

    Returns:
        Metric → value at each epoch; those on the validation split begin with `val_`.
    """
    best = keras.callbacks.EarlyStopping(  # never stops: the rate has to fall to 0
        monitor="val_loss", mode="min", patience=epochs, restore_best_weights=True
    )
    callbacks = [] if keep_last else [best]
    if model.optimizer.use_ema:  # before the one that looks for the best mean
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    history = model.fit(
        stream,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        shuffle=False,  # the stream does it
        validation_data=validation,
        callbacks=callbacks,
        verbose=1 if sys.stdout.isatty() else 2,
    ).history
    if not keep_last:
        kept = best.best_epoch + 1
        log.info("Kept epoch %d of %d: lowest validation loss", kept, epochs)
    return {metric: [float(v) for v in values] for metric, values in history.items()}
