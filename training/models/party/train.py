"""Train the party predictor: 16 votes of 1984 → small MLPs → artifacts/party/<n>."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.special import expit

from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.crossval import Plan, shorten, validate, validate_baselines
from training.core.export import DEFAULT_SIGNATURE, Function, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty, Table, fit_mlps, log_odds
from training.datasets import votes as data_set
from training.datasets.votes import VOTES
from training.models.party.card import Protocol, describe, draw_reports, summarise

log = logging.getLogger(__name__)

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
        trees: of the random forest, to compare with.
    """

    ensemble: Ensemble = PENALISED
    plan: Plan = TEN_TIMES_TEN
    trees: int = 200


def train(options: RunOptions) -> None:
    """Party of a US representative by 16 votes: an ensemble of MLPs.

    About three minutes on two cores, most of it cross-validation.
    """
    recipe = shorten(Recipe(), options)
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
    baselines = validate_baselines(
        table, validated.assignment, recipe.trees, least_in_leaf=1, seed=seed
    )
    probabilities = {"servery": expit(validated.logits), **baselines}
    return Protocol(table, validated.assignment, probabilities)


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
