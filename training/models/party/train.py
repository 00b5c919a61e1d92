"""Train the party predictor: 16 votes of 1984 → a sum of effects → artifacts/party/<n>.

    log-odds of democrat = those of the whole House + Σ effect of each vote, yea or nay

Small networks are measured beside it on the same folds, and are no better. How good the
procedure is, cross-validation says; the model that is served is then made of all rows.
"""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.crossval import Plan, compare_methods, shorten
from training.core.export import DEFAULT_SIGNATURE, Function, export_version
from training.core.fitting import make_repeatable
from training.core.linear import AdditiveLogisticRegression
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty, Table
from training.datasets import votes as data_set
from training.datasets.votes import VOTES
from training.models.party import card

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
    """Everything that decides what the figures become; the weights have no choices.

    Attributes:
        ensemble: nine networks, from lax to strict, to compare with: version 1.
        plan: of the cross-validation.
    """

    ensemble: Ensemble = PENALISED
    plan: Plan = TEN_TIMES_TEN


def train(options: RunOptions) -> None:
    """Party of a US representative by 16 votes: a logistic regression.

    About three minutes on two cores: the networks that it is compared with.
    """
    recipe = shorten(Recipe(), options)
    data = data_set.load(options.data_dir)
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    table = make_table(data.votes, data.labels)
    model = AdditiveLogisticRegression().fit(table.features, table.labels)
    _, probabilities = compare_methods(
        recipe.ensemble, table, recipe.plan, options.seed
    )
    rows = {"train": len(table), "cross_validation": len(table)}
    ran = run.finish((data_set.describe(rows),), recipe.ensemble.steps, asdict(recipe))

    metrics = card.summarise(data, probabilities)
    metrics["parameters"] = model.weights_.size + 1
    function = build_function(model, data.votes[:64])
    folder = export_version(
        card.describe(ran, metrics),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=card.draw_reports(data, probabilities, function),
    )
    for name, figures in metrics["cross_validation"]["all"]["methods"].items():
        log.info("%s: accuracy %s", name, figures["accuracy"])
    log.info("Wrote %s", folder)


def make_table(votes: npt.NDArray[np.int8], labels: npt.NDArray[np.int64]) -> Table:
    """Make features of votes, (rows, 16) int8 and (rows,) 1 for democrat.

    Each vote is two features, is it yea and is it nay; unknown is neither.
    """
    features = np.concatenate([votes == 1, votes == -1], axis=1).astype(np.float32)
    return Table(features, labels, np.tile(np.arange(len(VOTES)), 2))


def build_function(
    model: AdditiveLogisticRegression, sample: npt.NDArray[np.int8]
) -> Function:
    """Wrap the model as it is served: votes (rows, 16) int8 → what they say.

    A vote's attribution is its effect: how much the log-odds of democrat would fall if
    the vote were unknown. All effects and the log-odds of the House make the answer.

    Args:
        model: learnt from the features of `make_table`.
        sample: (rows, 16) int8, for the comparison after export.
    """
    yea, nay = np.split(model.weights_.astype(np.float32), 2)

    def predict(votes: Any) -> dict[str, Any]:
        effects = tf.where(votes == 1, yea, tf.where(votes == -1, nay, 0.0))
        log_odds = model.prior_ + tf.reduce_sum(effects, axis=1)
        return {"probability": tf.sigmoid(log_odds), "attributions": effects}

    spec = TensorSpec(name="votes", dtype="int8", shape=(None, len(VOTES)))
    return Function(predict, inputs=(spec,), sample={"votes": sample})
