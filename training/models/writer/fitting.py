"""The training loop: streams of reviews through the network, its state carried on.

The learning rate rises over the first epoch, stays, and falls to nothing over the last
ones (Hägele, Bakouch, Kosson, Ben Allal, von Werra and Jaggi, "Scaling laws and
compute-optimal training beyond fixed training durations", 2024): as good as a cosine,
and a longer training begins as a shorter one does.
"""

import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.models.writer.batches import Batch, iterate_batches, stream_batches
from training.models.writer.corpus import Corpus
from training.models.writer.network import Network

log = logging.getLogger(__name__)

_BIT = math.log(2)
History = dict[str, list[float]]


class Fitting:
    """A network in training.

    Args:
        network: to train.
        rows: streams side by side.
        optimizer: of Keras.
        largest_gradient: norm to which longer gradients of all weights are cut.
    """

    def __init__(
        self, network: Network, rows: int, optimizer: Any, largest_gradient: float
    ):
        self.network, self.rows = network, rows
        self._optimizer, self._largest = optimizer, largest_gradient
        optimizer.build(network.trainable_variables)
        self._learn = tf.function(self._learn_batch, autograph=False)
        self._judge = tf.function(self._judge_batch, autograph=False)

    def learn(
        self, batches: Iterator[Batch], state: Any, rate: Callable[[int], float]
    ) -> tuple[float, Any]:
        """Train on batches, and give the mean of their bits and the state at the end.

        Args:
            batches: of `rows` streams.
            state: of the network at the end of the batch before.
            rate: the learning rate at each of them, counted from 0.
        """

        def learn(number: int, *batch: Any) -> Any:
            self._optimizer.learning_rate = rate(number)
            return self._learn(*batch)

        return self._run(learn, batches, state)

    def judge(self, batches: Iterator[Batch]) -> float:
        """Mean bits a symbol of batches, the state carried on from one to the next."""

        def judge(number: int, *batch: Any) -> Any:
            return self._judge(*batch)

        return self._run(judge, batches, self.network.begin(self.rows))[0]

    def _run(
        self, call: Any, batches: Iterator[Batch], state: Any
    ) -> tuple[float, Any]:
        losses = []
        for number, batch in enumerate(batches):
            loss, state = call(number, batch.symbols, batch.moods, batch.targets, state)
            losses.append(loss)
        return float(np.mean([float(loss) for loss in losses])) / _BIT, state

    def _judge_batch(
        self, symbols: Any, moods: Any, targets: Any, state: Any
    ) -> tuple[Any, Any]:
        logits, state = self.network.read(symbols, moods, state)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_mean(losses), state

    def _learn_batch(
        self, symbols: Any, moods: Any, targets: Any, state: Any
    ) -> tuple[Any, Any]:
        weights = self.network.trainable_variables
        with tf.GradientTape() as tape:
            loss, state = self._judge_batch(symbols, moods, targets, state)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        gradients, _ = tf.clip_by_global_norm(gradients, self._largest)
        self._optimizer.apply(gradients, weights)
        return loss, state


def rate_at(recipe: Any, epoch: int, batch: int) -> float:
    """The learning rate at a batch of an epoch, both counted from 0."""
    done = epoch + (batch + 1) / recipe.epoch_batches
    left = (recipe.epochs - done) / recipe.cooling_epochs
    rate: float = recipe.learning_rate * min(1.0, done, max(left, 0.0))
    return rate


def fit(
    network: Network,
    training: Corpus,
    validation: Corpus,
    recipe: Any,
    seed: int,
    after_epoch: Callable[[int], None] = lambda _: None,
) -> History:
    """Train a network by a recipe, and say how it went.

    Args:
        network: untrained; it has the last epoch's weights afterwards, the rate being
            nothing by then.
        training: reviews to learn from.
        validation: reviews to judge each epoch by; nothing is chosen by that.
        recipe: of `training.models.writer.train`.
        seed: of the reviews' order.
        after_epoch: called with the number of epochs done.

    Returns:
        `bits` and `val_bits`, a symbol, at each epoch.
    """
    optimizer = keras.optimizers.AdamW(0.0, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    fitting = Fitting(network, recipe.rows, optimizer, recipe.largest_gradient)
    size = (recipe.rows, recipe.steps)
    batches = stream_batches(training, *size, np.random.default_rng(seed))
    judged = [*iterate_batches(validation, *size, np.random.default_rng(0))]
    state, history = network.begin(recipe.rows), History(bits=[], val_bits=[])
    epoch = 0
    while epoch < recipe.epochs:
        part = islice(batches, recipe.epoch_batches)
        bits, state = fitting.learn(part, state, partial(rate_at, recipe, epoch))
        epoch += 1
        history["bits"].append(round(bits, 4))
        history["val_bits"].append(
            round(fitting.judge(iter(judged[: recipe.validation_batches])), 4)
        )
        log.info(
            "Epoch %d of %d: %.4f bits a symbol, held out %.4f",
            epoch,
            recipe.epochs,
            bits,
            history["val_bits"][-1],
        )
        after_epoch(epoch)
    return history
