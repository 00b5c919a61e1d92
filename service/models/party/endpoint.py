"""Congressional votes of 1984: 16 votes → which party the member belonged to."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from service.engine.batching.tensors import Tensors
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    PREDICT_ERRORS,
    ROWS,
    DirectRoute,
    Version,
    either,
    json_body,
)
from service.web.http.body import RequestModel
from service.web.http.wording import check_names, show

MODEL = "party"
MODELS = (MODEL,)

VoteName = Literal[
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
]
"""In the order of the model's input; a test compares it with the manifest."""

VOTES: tuple[str, ...] = get_args(VoteName)
NAMES = dict.fromkeys(VOTES)
CODES = {"yea": 1, "nay": -1, "unknown": 0}
MOST_SPOKEN = 5  # votes named in an answer

NOTHING_KNOWN = "no vote is known: the probability is the share of democrats in 1984"

router = APIRouter(tags=["predict"], route_class=DirectRoute)


def _check_cast(cast: Any) -> Any:
    if not isinstance(cast, str) or cast not in CODES:
        raise ValueError(f"expected yea, nay or unknown, received {show(cast)}")
    return cast


def _check_votes(votes: Any) -> Any:
    if not isinstance(votes, dict):
        raise ValueError(f"expected an object of votes by name, received {show(votes)}")
    check_names(votes, NAMES)
    return votes


Cast = Annotated[Literal["yea", "nay", "unknown"], BeforeValidator(_check_cast)]
Votes = Annotated[
    dict[str, Cast],
    BeforeValidator(_check_votes),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {name: {"enum": [*CODES]} for name in VOTES},
            "additionalProperties": False,
            "description": "A vote that is left out is unknown.",
        }
    ),
]


class PartyRequest(RequestModel):
    """The votes of one member, or of several."""

    model_config = ConfigDict(json_schema_extra=either(["votes"], ["members"]))
    rows_field = "members"

    votes: Votes | None = None
    members: Annotated[list[Votes], ROWS] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "PartyRequest":
        if (self.votes is None) == (self.members is None):
            given = "neither" if self.votes is None else "both"
            raise ValueError(f"expected either votes or members, received {given}")
        return self

    def all_members(self) -> list[dict[str, Any]]:
        """The members, in order."""
        return [self.votes] if self.votes is not None else list(self.members or [])


class SpokenVote(BaseModel):
    """One vote that spoke for the answer."""

    vote: VoteName
    cast: Literal["yea", "nay"]
    weight: float = Field(
        gt=0,
        description="By how much the log-odds of the answered party would fall if this "
        "vote were unknown: 0.7 halves the odds, 2.3 takes them to a tenth.",
    )


class PartyPrediction(BaseModel):
    """What one member's votes say."""

    party: Literal["democrat", "republican"]
    probability: float = Field(ge=0, le=1, description="Of democrat.")
    votes: list[SpokenVote] = Field(
        max_length=MOST_SPOKEN,
        description="Those that spoke most for the answer, the loudest first.",
    )
    warning: str | None = Field(None, description="Only where no vote is known.")


class PartyResponse(BaseModel):
    """One prediction for each member, in the order they came."""

    model: str
    version: int
    predictions: list[PartyPrediction]


EXAMPLE = {
    "votes": {
        "physician-fee-freeze": "nay",
        "adoption-of-the-budget-resolution": "yea",
        "el-salvador-aid": "nay",
        "education-spending": "unknown",
    }
}


@router.post(
    "/v1/predict/party",
    response_model=PartyResponse,
    responses=PREDICT_ERRORS,
    openapi_extra=json_body(PartyRequest, EXAMPLE),
)
async def predict_party(request: Request, version: Version = None) -> Response:
    """Democrat or republican?

    Takes the 16 key votes of the US House in 1984 of one member or of several, each
    yea, nay or unknown.
    """
    call = ModelCall(request, MODEL, version)
    members = (await call.json(PartyRequest)).all_members()
    rows = await call.decode(lambda: _decode(members), in_thread=False)
    answer = await call.infer(rows)
    probabilities, attributions = answer.outputs
    predictions = [
        _prediction(*row)
        for row in zip(members, probabilities, attributions, strict=True)
    ]
    return call.respond(answer, predictions, (p["party"] for p in predictions))


def _decode(members: Sequence[dict[str, Any]]) -> Tensors:
    """Votes to (rows, 16) int8, 1 yea, -1 nay, 0 unknown."""
    codes = [[CODES[votes.get(name, "unknown")] for name in VOTES] for votes in members]
    return (np.array(codes, np.int8),)


def _prediction(
    votes: dict[str, Any],
    probability: np.floating[Any],
    attributions: npt.NDArray[np.floating[Any]],
) -> dict[str, Any]:
    """A probability and (16,) changes of the log-odds of democrat to the answer."""
    is_democrat = bool(probability >= 0.5)
    weights = (attributions if is_democrat else -attributions).tolist()
    loudest = sorted(range(len(VOTES)), key=weights.__getitem__, reverse=True)
    spoken = [
        {"vote": VOTES[vote], "cast": votes[VOTES[vote]], "weight": weight}
        for vote in loudest[:MOST_SPOKEN]
        if (weight := round(weights[vote], 4)) > 0
    ]
    prediction = {
        "party": "democrat" if is_democrat else "republican",
        "probability": round(float(probability), 6),
        "votes": spoken,
    }
    if all(cast == "unknown" for cast in votes.values()):
        prediction["warning"] = NOTHING_KNOWN
    return prediction
