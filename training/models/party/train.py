"""Train the party predictor: 16 votes of 1984 → small MLPs → artifacts/party/<n>."""

import logging
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from service.manifest import TensorSpec, Training
from training.core import provenance
from training.core.baselines import (
    Maker,
    make_forest,
    make_logistic_regression,
    validate_baseline,
)
from training.core.crossval import (
    Folds,
    Plan,
    describe_spread,
    measure_folds,
    validate,
)
from training.core.export import DEFAULT_SIGNATURE, Card, Function, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.tabular import (
    Ensemble,
    Logits,
    Penalty,
    Table,
    fit_mlps,
    log_odds,
)
from training.datasets import votes as data_set
from training.datasets.votes import PARTIES, VOTES
from training.metrics import calibration, classification
from training.plots import binary
from training.plots import classification as plots

log = logging.getLogger(__name__)

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_BINS = 10  # of the reliability: 435 rows, most of them near 0 or 1
PENALISED = Ensemble(
    tuple(
        Penalty(decay, sparsity)
        for decay in (0.001, 0.003, 0.01)
        for sparsity in (0.005, 0.01, 0.02)
    )
)
TEN_TIMES_TEN = Plan()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights and the figures become.

    Attributes:
        ensemble: nine networks, from lax to strict.
        plan: of the cross-validation.
    """

    ensemble: Ensemble = PENALISED
    plan: Plan = TEN_TIMES_TEN


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to measure, and what came of it.

    Attributes:
        table: the rows that take part.
        assignment: (repeats, rows), the fold in which each row was held out.
        probabilities: method → (repeats, rows) of democrat, held out.
    """

    table: Table
    assignment: Folds
    probabilities: dict[str, npt.NDArray[np.floating]]


def train(options: RunOptions) -> None:
    """Party of a US representative by 16 votes: an ensemble of MLPs.

    About three minutes on two cores, most of it cross-validation.
    """
    recipe = _shorten(Recipe(), options)
    data = data_set.load(options.data_dir)
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    table = make_table(data.votes, data.labels)
    rows = {"all": table, "complete": table.pick(data.is_complete)}
    protocols = {
        name: measure(recipe, part, options.seed) for name, part in rows.items()
    }
    everybody = np.ones((1, len(table)), np.bool_)
    model = fit_mlps(recipe.ensemble, table, everybody, options.seed)
    ran = run.finish(
        (data_set.describe({"train": len(table), "cross_validation": len(table)}),),
        recipe.ensemble.steps,
        asdict(recipe),
    )

    function = build_function(model, log_odds(data.labels), data.votes[:64])
    metrics = {
        "cross_validation": {
            name: summarise(protocol) for name, protocol in protocols.items()
        },
        "parameters": model.count_params(),
    }
    folder = export_version(
        describe(ran, metrics),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=draw_reports(protocols["all"], function, data.votes),
    )
    for name, figures in metrics["cross_validation"].items():
        found = figures["servery"]["accuracy"]
        log.info("%s: accuracy %.4f ± %.4f", name, found["mean"], found["sd"])
    log.info("Wrote %s", folder)


def make_table(votes: npt.NDArray[np.int8], labels: npt.NDArray[np.int64]) -> Table:
    """Make features of votes, (rows, 16) int8 and (rows,) 1 for democrat."""
    features = encode(tf.constant(votes)).numpy()
    return Table(features, labels, np.tile(np.arange(len(VOTES)), 2))


def encode(votes: Any) -> Any:
    """Turn votes, int8 (…, 16), into float32 (…, 32): is it yea, is it nay.

    Unknown is neither, and so has an effect of its own beside the other two.
    """
    known = tf.concat([tf.equal(votes, 1), tf.equal(votes, -1)], axis=-1)
    return tf.cast(known, tf.float32)


def measure(recipe: Recipe, table: Table, seed: int) -> Protocol:
    """Cross-validate the ensemble, and the baselines on the same folds."""
    validated = validate(recipe.ensemble, table, recipe.plan, seed)
    baselines: dict[str, Maker] = {
        "logistic_regression": make_logistic_regression,
        "random_forest": partial(make_forest, seed),
    }
    return Protocol(
        table,
        validated.assignment,
        {
            "servery": calibration.sigmoid(validated.logits),
            **{
                name: validate_baseline(make, table, validated.assignment)
                for name, make in baselines.items()
            },
        },
    )


def summarise(protocol: Protocol) -> dict[str, Any]:
    """Collect figures for the manifest: method → figure → mean and spread."""
    labels = protocol.table.labels
    figures: dict[str, Any] = {"rows": len(labels)}
    for method, probabilities in protocol.probabilities.items():
        figures[method] = {
            "accuracy": measure_folds(
                _accuracy, labels, probabilities, protocol.assignment
            ),
            "auc": measure_folds(
                roc_auc_score, labels, probabilities, protocol.assignment
            ),
            "log_loss": describe_spread(
                [
                    classification.log_loss(labels, np.column_stack([1 - row, row]))
                    for row in probabilities
                ]
            ),
            "expected_calibration_error": describe_spread(
                [
                    classification.expected_calibration_error(labels == 1, row, _BINS)
                    for row in probabilities
                ]
            ),
        }
    return figures


def build_function(model: Any, prior: float, sample: npt.NDArray[np.int8]) -> Function:
    """Wrap the ensemble as it is served: votes (rows, 16) int8 → what they say.

    A vote's attribution is how much the log-odds of democrat would fall if the vote
    were unknown: 17 variants of each row are computed in one go. Where nothing is known
    the answer is the prior.

    Args:
        model: of `build_mlps`, one ensemble.
        prior: log-odds of democrat among all members.
        sample: (rows, 16) int8, for the comparison after export.
    """
    count = len(VOTES)
    masks = np.concatenate([np.ones((1, count)), 1 - np.eye(count)]).astype(np.int8)

    def predict(votes: Any) -> dict[str, Any]:
        variants = tf.reshape(votes[:, None, :] * masks, [-1, count])
        members = model(encode(variants)[None], training=False)
        logits = tf.reduce_mean(members, axis=0)[:, 0]
        is_blank = tf.reduce_all(tf.equal(variants, 0), axis=1)
        logits = tf.reshape(tf.where(is_blank, prior, logits), [-1, count + 1])
        is_known = tf.cast(tf.not_equal(votes, 0), tf.float32)
        return {
            "probability": tf.sigmoid(logits[:, 0]),
            "attributions": (logits[:, :1] - logits[:, 1:]) * is_known,
        }

    spec = TensorSpec(name="votes", dtype="int8", shape=(None, count))
    return Function(predict, inputs=(spec,), sample={"votes": sample})


def draw_reports(
    protocol: Protocol, function: Function, votes: npt.NDArray[np.int8]
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    labels, probabilities = protocol.table.labels, protocol.probabilities["servery"]
    pooled = np.tile(labels, len(probabilities))
    confusion = classification.confusion_matrix(
        pooled, (probabilities.ravel() > 0.5).astype(np.int64), len(PARTIES)
    )
    spoke = np.abs(function.call(votes=tf.constant(votes))["attributions"].numpy())
    weights = dict(zip(VOTES, spoke.mean(axis=0).tolist(), strict=True))
    return {
        "confusion_matrix.png": plots.draw_confusion_matrix(confusion, PARTIES),
        "reliability.png": binary.draw_probability_reliability(
            labels, probabilities, "democrat", _BINS
        ),
        "roc.png": binary.draw_roc(labels, protocol.probabilities),
        "votes.png": binary.draw_bars(
            weights, "how loudly each vote speaks", "mean change of the log-odds"
        ),
    }


def describe(ran: Training, metrics: dict[str, Any]) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="party",
        task="tabular classification",
        description=(
            "Democrat or republican, by 16 key votes of the US House in 1984: nine "
            "small MLPs whose logits are averaged. Input: votes in the order of the "
            "constant of that name; 1 yea, -1 nay, 0 unknown, which is information "
            "too. Output: probability of democrat, and for each vote the change that "
            "knowing it made to the log-odds of democrat."
        ),
        intended_use=(
            "Teaching and trying out: a small table, missing values, an answer that "
            "says which votes spoke for it."
        ),
        limits=(
            "One chamber in one year: says nothing of other years, other parliaments "
            "or living people. Attributions are the model's reasons, not the "
            "member's: votes that go together share the credit. With no vote known "
            "the answer is the share of democrats. The range of penalties was found "
            "on other folds of these same rows, so the figures may be a little "
            "hopeful; nothing was chosen on the folds reported. The confusion matrix "
            "counts each member once for each repeat."
        ),
        labels=PARTIES,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
        constants={"votes": list(VOTES)},
    )


def _accuracy(labels: npt.NDArray[np.int64], probabilities: Logits) -> float:
    return classification.accuracy(labels, (probabilities > 0.5).astype(np.int64))


def _shorten(recipe: Recipe, options: RunOptions) -> Recipe:
    """Apply `--quick`, which repeats nothing, and `--epochs`: here, steps."""
    plan, steps = recipe.plan, options.epochs or recipe.ensemble.steps
    if options.quick:
        plan, steps = replace(plan, repeats=1), min(steps, 100)
    return replace(recipe, ensemble=replace(recipe.ensemble, steps=steps), plan=plan)
