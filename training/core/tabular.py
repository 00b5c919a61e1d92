"""Small multi-layer perceptrons, many of them trained side by side as one Keras model.

Cross-validation wants hundreds of networks that one core could train in a second each,
if starting a step did not cost more than the step. Here they share every step: each
weight has a first axis that counts the networks, and a mask says which rows each one
learns from. All rows are in every step, so there is no order to shuffle.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

_MOST_AT_ONCE = 250  # networks; beyond, their activations leave the cache
_DISTINCT_SEEDS = 7919  # between the seeds of neighbouring stacks

Masks = npt.NDArray[np.bool_]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of fields, each field one or several features.

    Attributes:
        features: (rows, features) float32; all of a field's are 0 where it is unknown.
        labels: (rows,) int64, 0 or 1.
        field_of: (features,) int64, which field each feature belongs to, from 0.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    field_of: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def membership(self) -> npt.NDArray[np.float32]:
        """(features, fields) float32, 1 where the feature belongs to the field."""
        fields = np.arange(self.field_of.max() + 1)
        return np.equal(self.field_of[:, None], fields).astype(np.float32)

    @property
    def is_blank(self) -> npt.NDArray[np.bool_]:
        """(rows,) bool, whether no field is known."""
        known: npt.NDArray[np.int64] = np.count_nonzero(self.features, axis=1)
        return np.equal(known, 0)

    def pick(self, rows: npt.NDArray[Any]) -> "Table":
        """The rows of an index or a mask."""
        return Table(self.features[rows], self.labels[rows], self.field_of)


@dataclass(frozen=True, slots=True)
class Penalty:
    """What keeps a network simple.

    Attributes:
        decay: weight in the loss of the sum of all squared weights.
        sparsity: weight in the loss of the sum, over fields, of the length of the
            field's weights into the hidden layer: it drops whole fields (group lasso;
            Yuan and Lin, "Model selection and estimation in regression with grouped
            variables", 2006).
    """

    decay: float
    sparsity: float = 0.0


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Networks whose logits are averaged, and how they are trained.

    One penalty would have to be chosen, on rows that are few; instead the members span
    a range of them (Wenzel et al., "Hyperparameter ensembles for robustness and
    uncertainty quantification", 2020), and nothing is chosen.

    Attributes:
        penalties: one for each member.
        hidden: units of a member's one hidden layer.
        activation: of it, Keras's name.
        steps: of Adam, each over all rows.
        learning_rate: the first; it falls to 0 as a cosine does.
        blanking: probability that a field is made unknown, for each row in each step.
    """

    penalties: tuple[Penalty, ...]
    hidden: int = 16
    activation: str = "relu"
    steps: int = 300
    learning_rate: float = 0.02
    blanking: float = 0.0

    def __len__(self) -> int:
        return len(self.penalties)


@keras.saving.register_keras_serializable(package="servery")
class SideBySideDense(keras.layers.Layer):  # type: ignore[misc]
    """A dense layer for each network: (models or 1, rows, in) → (models, rows, out)."""

    def __init__(
        self, models: int, units: int, activation: str | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.models = models
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights, as large as keeps the variance of what passes."""
        inputs = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.models, inputs, self.units),
            initializer=keras.initializers.RandomNormal(stddev=inputs**-0.5),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.models, 1, self.units), initializer="zeros"
        )

    def call(self, inputs: Any) -> Any:
        """Compute every network's layer."""
        return self.activation(keras.ops.matmul(inputs, self.kernel) + self.bias)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """One more axis than a dense layer has, for the networks."""
        return (self.models, input_shape[-2], self.units)


def build_mlps(ensemble: Ensemble, features: int, models: int) -> Any:
    """Build `models` networks: (1, rows, features) float32 → logits (models, rows, 1).

    Each has one hidden layer and one logit, and no weight in common with another.
    """
    rows = keras.Input(batch_shape=(1, None, features), name="features")
    hidden = SideBySideDense(
        models, ensemble.hidden, ensemble.activation, name="hidden"
    )
    logit = SideBySideDense(models, 1, name="logit")
    return keras.Model(rows, logit(hidden(rows)))


def fit_mlps(ensemble: Ensemble, table: Table, learns: Masks, seed: int) -> Any:
    """Train all members of several ensembles in one go.

    Args:
        ensemble: what they are.
        table: all rows, of those too that an ensemble does not learn from.
        learns: (ensembles, rows) bool, which rows each learns from.
        seed: of the weights and the blanking.

    Returns:
        The trained Keras model of `build_mlps`, ensemble by ensemble.
    """
    keras.utils.set_random_seed(seed)
    models = len(learns) * len(ensemble)
    model = build_mlps(ensemble, table.features.shape[1], models)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(ensemble.learning_rate, ensemble.steps)
    )
    optimizer.build(model.trainable_variables)
    compute_loss = _make_loss(model, ensemble, table, learns)
    features = tf.constant(table.features)[None]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(number: Any) -> None:
        seen = features
        if ensemble.blanking:
            seen = seen * _draw_kept(table, ensemble.blanking, [seed, number])
        with tf.GradientTape() as tape:
            loss = compute_loss(seen)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )

    for number in range(ensemble.steps):
        step(tf.constant(number))
    return model


def fit_ensembles(ensemble: Ensemble, table: Table, learns: Masks, seed: int) -> Logits:
    """Train an ensemble for each mask and give its logit of every row.

    A row in which nothing is known gets the log-odds of the rows learnt from.

    Args:
        ensemble: what they are.
        table: all rows.
        learns: (ensembles, rows) bool, which rows each learns from.
        seed: of everything random.

    Returns:
        (ensembles, rows) float32; of the rows learnt from, too.
    """
    parts = []
    share = max(1, _MOST_AT_ONCE // len(ensemble))
    for number, start in enumerate(range(0, len(learns), share)):
        masks = learns[start : start + share]
        model = fit_mlps(ensemble, table, masks, seed + _DISTINCT_SEEDS * number)
        logits = model(tf.constant(table.features)[None]).numpy()[..., 0]
        parts.append(logits.reshape(len(masks), len(ensemble), -1).mean(axis=1))
    prior = np.array([log_odds(table.labels[mask]) for mask in learns], np.float32)
    return np.where(table.is_blank, prior[:, None], np.concatenate(parts))


def log_odds(labels: npt.NDArray[np.int64]) -> float:
    """Give the logarithm of how many are 1 for each that is 0; (rows,) of both."""
    share = labels.mean()
    return float(np.log(share / (1 - share)))


def _draw_kept(table: Table, blanking: float, seed: list[Any]) -> Any:
    """(rows, features) float32: 0 for the features of fields made unknown, else 1."""
    membership = tf.constant(table.membership)
    chance = tf.random.stateless_uniform((len(table), membership.shape[1]), seed)
    kept = tf.cast(chance >= blanking, tf.float32)
    return tf.matmul(kept, membership, transpose_b=True)


def _make_loss(model: Any, ensemble: Ensemble, table: Table, learns: Masks) -> Any:
    """Make the sum over networks of mean cross-entropy and penalties."""
    masks = np.repeat(learns, len(ensemble), axis=0)
    penalties = ensemble.penalties * len(learns)
    weights = tf.constant(masks / masks.sum(axis=1, keepdims=True), tf.float32)
    labels = tf.constant(np.broadcast_to(table.labels, masks.shape), tf.float32)
    decay = tf.constant([penalty.decay for penalty in penalties], tf.float32)
    sparsity = tf.constant([penalty.sparsity for penalty in penalties], tf.float32)
    membership = tf.constant(table.membership)
    kernels = [model.get_layer(name).kernel for name in ("hidden", "logit")]

    def compute_loss(features: Any) -> Any:
        logits = model(features, training=True)[..., 0]
        surprise = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        squares = [tf.reduce_sum(tf.square(kernel), axis=2) for kernel in kernels]
        lengths = tf.sqrt(tf.matmul(squares[0], membership) + 1e-8)
        return (
            tf.reduce_sum(weights * surprise)
            + sum(tf.reduce_sum(decay * tf.reduce_sum(each, 1)) for each in squares)
            + tf.reduce_sum(sparsity * tf.reduce_sum(lengths, axis=1))
        )

    return compute_loss
