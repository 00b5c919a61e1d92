"""The training loop: streams of reviews through the network, its state carried on.

The learning rate rises over the first epoch, stays, and falls to nothing over the last
ones (Hägele, Bakouch, Kosson, Ben Allal, von Werra and Jaggi, "Scaling laws and
compute-optimal training beyond fixed training durations", 2024): as good as a cosine,
and a longer training begins as a shorter one does.

The table of contexts, of which a batch meets few rows, learns by AdaGrad (Duchi, Hazan
and Singer, "Adaptive subgradient methods for online learning and stochastic
optimization", 2011), with one sum of squares for a row: a run of letters that is rare
learns fast when it comes.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import astuple
from functools import partial
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.models.writer.batches import Batch, iterate_batches, stream_batches
from training.models.writer.corpus import Corpus
from training.models.writer.network import Network
from training.models.writer.recipe import Recipe

log = logging.getLogger(__name__)

_BIT = math.log(2)
_TINY = 1e-16
History = dict[str, list[float]]


class Fitting:
    """A network in training.

    Args:
        network: to train.
        recipe: of `training.models.writer.recipe`.
    """

    def __init__(self, network: Network, recipe: Recipe):
        self.network, self.recipe = network, recipe
        self._optimizer = keras.optimizers.AdamW(0.0, weight_decay=recipe.weight_decay)
        self._optimizer.exclude_from_weight_decay(var_names=["bias"])
        self._optimizer.build(network.trainable_variables)
        self._table = network.contexts.value
        self._squares = tf.Variable(tf.zeros(self._table.shape[0]))
        self._learn = tf.function(self._learn_batch, autograph=False)
        self._judge = tf.function(self._judge_batch, autograph=False)

    def learn(
        self, batches: Iterator[Batch], state: Any, rate: Callable[[int], float]
    ) -> tuple[float, Any]:
        """Train on batches, and give the mean of their bits and the state at the end.

        Args:
            batches: of the recipe's rows.
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

        return self._run(judge, batches, self.network.begin(self.recipe.rows))[0]

    def _run(
        self, call: Any, batches: Iterator[Batch], state: Any
    ) -> tuple[float, Any]:
        losses = []
        for number, batch in enumerate(batches):
            loss, state = call(number, *map(tf.constant, astuple(batch)), state)
            losses.append(loss)
        return float(np.mean([float(loss) for loss in losses])) / _BIT, state

    def _judge_batch(
        self, symbols: Any, buckets: Any, targets: Any, moods: Any, state: Any
    ) -> tuple[Any, Any]:
        logits, state = self.network.read(symbols, buckets, moods, state)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_mean(losses), state

    def _learn_batch(
        self, symbols: Any, buckets: Any, targets: Any, moods: Any, state: Any
    ) -> tuple[Any, Any]:
        weights = self.network.trainable_variables
        values = [weight.value for weight in weights]
        with tf.GradientTape() as tape:
            tape.watch(self._table)
            loss, state = self._judge_batch(symbols, buckets, targets, moods, state)
        *gradients, rows = tape.gradient(loss, [*values, self._table])
        gradients, _ = tf.clip_by_global_norm(gradients, self.recipe.largest_gradient)
        self._optimizer.apply(gradients, weights)
        self._learn_rows(rows)
        return loss, state

    def _learn_rows(self, gradient: tf.IndexedSlices) -> None:
        """A step of AdaGrad for the rows of the table that a batch met."""
        rows, which = tf.unique(tf.reshape(gradient.indices, [-1]))
        width = self._table.shape[1]
        given = tf.reshape(gradient.values, (-1, width))
        summed = tf.math.unsorted_segment_sum(given, which, tf.size(rows))
        squares = tf.gather(self._squares, rows)
        squares += tf.reduce_mean(summed * summed, axis=1)
        self._squares.scatter_update(tf.IndexedSlices(squares, rows))
        share = self.recipe.context_rate / self.recipe.learning_rate
        rate = share * self._optimizer.learning_rate.value
        moved = summed * (rate * tf.math.rsqrt(squares + _TINY))[:, None]
        self._table.scatter_sub(tf.IndexedSlices(moved, rows))


def rate_at(recipe: Recipe, epoch: int, batch: int) -> float:
    """The learning rate at a batch of an epoch, both counted from 0."""
    done = epoch + (batch + 1) / recipe.epoch_batches
    left = (recipe.epochs - done) / recipe.cooling_epochs
    rate: float = recipe.learning_rate * min(1.0, done, max(left, 0.0))
    return rate


def fit(
    network: Network,
    training: Corpus,
    validation: Corpus,
    recipe: Recipe,
    seed: int,
    after_epoch: Callable[[int], None] = lambda _: None,
) -> History:
    """Train a network by a recipe, and say how it went.

    Args:
        network: untrained; it has the last epoch's weights afterwards, the rate being
            nothing by then.
        training: reviews to learn from.
        validation: reviews to judge each epoch by; nothing is chosen by that.
        recipe: how.
        seed: of the reviews' order.
        after_epoch: called with the number of epochs done.

    Returns:
        `bits` and `val_bits`, a symbol, at each epoch.
    """
    fitting = Fitting(network, recipe)
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
