"""Congressional votes of 1984: 16 votes → which party the member belonged to."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.signature import TensorSpec
from service.contract.table import TableField
from service.contract.task import TabularClassification
from service.engine.batching.tensors import Tensors
from service.tasks.endpoint import Given, Wanted
from service.tasks.tables import TableEndpoint

VOTES = (
    "handicapped-infants",
    "water-project-cost-sharing",
    "adoption-of-the-budget-resolution",
    "physician-fee-freeze",
    "el-salvador-aid",
    "religious-groups-in-schools",
    "anti-satellite-test-ban",
    "aid-to-nicaraguan-contras",
    "mx-missile",
    "immigration",
    "synfuels-corporation-cutback",
    "education-spending",
    "superfund-right-to-sue",
    "crime",
    "duty-free-exports",
    "export-administration-act-south-africa",
)
"""In the order of the model's input; a test compares it with the manifest."""

UNKNOWN = "unknown"
MOST_SPOKEN = 5  # votes named in an answer

NOTHING_KNOWN = "no vote is known: the probability is the share of democrats in 1984"

EXAMPLE = {
    "votes": {
        "physician-fee-freeze": "nay",
        "adoption-of-the-budget-resolution": "yea",
        "el-salvador-aid": "nay",
        "education-spending": "unknown",
    }
}

FIELDS = tuple(
    TableField(
        name=name,
        kind="category",
        words=("yea", "nay", UNKNOWN),
        codes=(1, -1, 0),
        optional=True,
        missing=UNKNOWN,
    )
    for name in VOTES
)
INPUTS = (TensorSpec(name="votes", dtype="int8", shape=(None, len(VOTES))),)


class SpokenVote(BaseModel):
    """One vote that spoke for the answer."""

    vote: str
    cast: Literal["yea", "nay"]
    weight: float = Field(
        gt=0,
        description="By how much the log-odds of the answered party would fall if this "
        "vote were unknown: 0.7 halves the odds, 2.3 takes them to a tenth. Exact: the "
        "log-odds are those of the whole House plus these.",
    )


class PartyPrediction(BaseModel):
    """What one member's votes say."""

    party: Literal["democrat", "republican"]
    probability: float = Field(
        ge=0,
        le=1,
        description="Of democrat. By a logistic regression, which is the baseline "
        "itself: small networks, as in version 1, are no better on these votes.",
    )
    votes: list[SpokenVote] = Field(
        max_length=MOST_SPOKEN,
        description="Those that spoke most for the answer, the loudest first.",
    )
    warning: str | None = Field(None, description="Only where no vote is known.")


class Party(TableEndpoint):
    """Democrat or republican?

    Takes the 16 key votes of the US House in 1984 of one member or of several, each
    yea, nay or unknown.
    """

    model = "party"
    task = TabularClassification(fields=FIELDS)
    prediction, label = PartyPrediction, "party"

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `PartyPrediction`."""
        return [
            _prediction(record.values(), *row)
            for record, *row in zip(given.sources, *outputs, strict=True)
        ]


PARTY = Party(FIELDS, INPUTS, EXAMPLE, ("votes", "members"))
ENDPOINTS = {PARTY.model: PARTY}
router = PARTY.router()


def _prediction(
    casts: list[str],
    probability: np.floating[Any],
    attributions: npt.NDArray[np.floating[Any]],
) -> dict[str, Any]:
    """A probability and (16,) changes of the log-odds of democrat to the answer."""
    is_democrat = bool(probability >= 0.5)
    weights = (attributions if is_democrat else -attributions).tolist()
    loudest = sorted(range(len(VOTES)), key=weights.__getitem__, reverse=True)
    spoken = [
        {"vote": VOTES[vote], "cast": casts[vote], "weight": weight}
        for vote in loudest[:MOST_SPOKEN]
        if (weight := round(weights[vote], 4)) > 0
    ]
    prediction = {
        "party": "democrat" if is_democrat else "republican",
        "probability": round(float(probability), 6),
        "votes": spoken,
    }
    if all(cast == UNKNOWN for cast in casts):
        prediction["warning"] = NOTHING_KNOWN
    return prediction
