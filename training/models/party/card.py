"""What the party model says of itself, in figures, pictures and words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.metrics import confusion_matrix

from service.contract.manifest import Training
from training.core.export import Card, Function
from training.datasets.votes import PARTIES, VOTES, Votes
from training.metrics.held_out import compare_held_out, measure_groups
from training.plots import binary
from training.plots import classification as plots

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
BINS = 10  # of the reliability: 435 rows, most of them near 0 or 1
DIVIDING = "physician-fee-freeze"  # the vote that tells most

Probabilities = Mapping[str, npt.NDArray[np.floating]]
Mask = npt.NDArray[np.bool_]


def summarise(data: Votes, probabilities: Probabilities) -> dict[str, Any]:
    """Collect figures for the manifest.

    Args:
        data: all members.
        probabilities: method → (repeats, rows) of democrat, held out.
    """
    said = probabilities["servery"]
    rows = {
        "all": np.ones(len(data.labels), np.bool_),
        "complete": data.is_complete,
        "without_a_twin": ~data.has_twin,
    }
    return {
        "cross_validation": {
            name: compare_held_out(data.labels, probabilities, among, BINS)
            for name, among in rows.items()
        },
        "duplicates": {
            "repeat_an_earlier_row": data.count_repeats(),
            "have_a_twin": int(data.has_twin.sum()),
        },
        "groups": measure_groups(data.labels, said, said > 0.5, list_groups(data)),
    }


def list_groups(data: Votes) -> dict[str, Mask]:
    """Name → (rows,) bool: by party, what is unknown, and whose side was taken."""
    unknown = np.count_nonzero(data.votes == 0, axis=1)
    froze = data.votes[:, VOTES.index(DIVIDING)]
    with_party = np.where(data.labels == 1, froze == -1, froze == 1)
    return {
        "republican": data.labels == 0,
        "democrat": data.labels == 1,
        "every vote known": unknown == 0,
        "one or two unknown": (unknown > 0) & (unknown <= 2),
        "three or more unknown": unknown > 2,
        f"with most of their party on {DIVIDING}": with_party,
        f"against it on {DIVIDING}": ~with_party & (froze != 0),
    }


def draw_reports(
    data: Votes, probabilities: Probabilities, function: Function
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    said = probabilities["servery"]
    pooled = np.tile(data.labels, len(said))
    spoke = function.call(votes=tf.constant(data.votes))["attributions"].numpy()
    weights = dict(zip(VOTES, np.abs(spoke).mean(axis=0).tolist(), strict=True))
    return {
        "confusion_matrix.png": plots.draw_confusion_matrix(
            confusion_matrix(pooled, said.ravel() > 0.5), PARTIES
        ),
        "reliability.png": binary.draw_probability_reliability(
            data.labels, said, "democrat", BINS
        ),
        "roc.png": binary.draw_roc(data.labels, probabilities),
        "votes.png": binary.draw_bars(
            weights, "how loudly each vote speaks", "mean change of the log-odds"
        ),
    }


def describe(ran: Training, metrics: dict[str, Any]) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    figures, groups = metrics["cross_validation"], metrics["groups"]
    accuracy = {
        method: f"{found['accuracy']['mean']:.1%}"
        for method, found in figures["all"]["methods"].items()
    }
    error = figures["all"]["methods"]["servery"]["accuracy"]["standard_error"]
    alone = figures["without_a_twin"]["methods"]["servery"]["accuracy"]["mean"]
    against = groups[f"against it on {DIVIDING}"]
    return Card(
        name="party",
        task="tabular classification",
        description=(
            "Democrat or republican, by 16 key votes of the US House in 1984: a "
            "logistic regression. The log-odds of democrat are those of the whole "
            "House plus an effect of each vote. Input: votes in the order of the "
            "constant of that name; 1 yea, -1 nay, 0 unknown, which adds nothing. "
            "Output: probability of democrat, and each vote's effect, exactly the "
            "change that knowing it made to the log-odds of democrat. It is the "
            f"baseline itself: right in {accuracy['servery']} of held-out cases "
            f"(± {error:.1%}, standard error), small networks, as in version 1, in "
            f"{accuracy['network']}, a tuned logistic regression in "
            f"{accuracy['tuned_logistic_regression']}."
        ),
        intended_use=(
            "Teaching and trying out: a small table, missing values, an answer that "
            "says which votes spoke for it."
        ),
        limits=(
            "One chamber in one year: says nothing of other years, other parliaments "
            "or living people, whose politics are nobody's guess. Of 100 republicans "
            f"{_per_hundred(groups['republican']['false_alarms'])} are called "
            "democrats, of 100 democrats "
            f"{_per_hundred(groups['democrat']['missed'])} republicans. Worst off is "
            f"who voted against most of the own party on {DIVIDING}: of these "
            f"{against['rows']} members {_percent(against['accuracy'])} are told "
            f"right. {metrics['duplicates']['repeat_an_earlier_row']} of the 435 rows "
            "repeat an earlier one, vote by vote and party too; of the members whose "
            f"votes nobody else cast, {alone:.1%} are told right. An effect is the "
            "model's reason, not the member's: votes that go together share the "
            "credit. With no vote known the answer is the share of democrats. The "
            "figures are of rows held out in a cross-validation; the model that is "
            "served has learnt from all rows. The confusion matrix counts each member "
            "once for each repeat."
        ),
        labels=PARTIES,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
        constants={"votes": list(VOTES)},
    )


def _per_hundred(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.0f}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"
