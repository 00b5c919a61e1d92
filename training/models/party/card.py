"""What the party model says of itself, in figures, pictures and words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.metrics import confusion_matrix

from service.contract.manifest import Training
from training.core.crossval import Folds
from training.core.export import Card, Function
from training.core.tabular import Table
from training.datasets.votes import PARTIES, VOTES
from training.metrics.held_out import summarise_held_out
from training.plots import binary
from training.plots import classification as plots

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
BINS = 10  # of the reliability: 435 rows, most of them near 0 or 1


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


def summarise(protocol: Protocol) -> dict[str, Any]:
    """Collect figures for the manifest: method → figure → mean and spread."""
    labels = protocol.table.labels
    everyone = np.ones(len(labels), np.bool_)
    return {"rows": len(labels)} | {
        method: summarise_held_out(
            labels, probabilities, protocol.assignment, everyone, BINS
        )
        for method, probabilities in protocol.probabilities.items()
    }


def draw_reports(
    protocol: Protocol, function: Function, votes: npt.NDArray[np.int8]
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    labels, probabilities = protocol.table.labels, protocol.probabilities["servery"]
    pooled = np.tile(labels, len(probabilities))
    confusion = confusion_matrix(pooled, probabilities.ravel() > 0.5)
    spoke = np.abs(function.call(votes=tf.constant(votes))["attributions"].numpy())
    weights = dict(zip(VOTES, spoke.mean(axis=0).tolist(), strict=True))
    return {
        "confusion_matrix.png": plots.draw_confusion_matrix(confusion, PARTIES),
        "reliability.png": binary.draw_probability_reliability(
            labels, probabilities, "democrat", BINS
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
