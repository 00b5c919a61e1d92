"""Mammographic masses: four findings → a calibrated probability of malignancy."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args

import numpy as np
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
    json_body,
)
from service.web.http.body import RequestModel
from service.web.http.wording import show

MODEL = "mammogram"
MODELS = (MODEL,)
YOUNGEST, OLDEST = 18, 120
UNKNOWN = "unknown"
NOTICE = (
    "An aid to study, no diagnosis: ask a doctor, who sees more than four findings."
)
NOTHING_KNOWN = "no finding is known: the probability is the share in the data set"

router = APIRouter(tags=["predict"], route_class=DirectRoute)

Shape = Literal["round", "oval", "lobular", "irregular", "unknown"]
Margin = Literal[
    "circumscribed",
    "microlobulated",
    "obscured",
    "ill-defined",
    "spiculated",
    "unknown",
]
Density = Literal["high", "iso", "low", "fat-containing", "unknown"]


def _check_word(words: Any) -> Callable[[Any], Any]:
    known = get_args(words)

    def check(word: Any) -> Any:
        if word is None:
            return UNKNOWN
        if not isinstance(word, str) or word not in known:
            raise ValueError(
                f"expected {', '.join(known[:-1])} or {known[-1]}, "
                f"received {show(word)}"
            )
        return word

    return check


def _check_age(age: Any) -> int:
    if age is None or age == UNKNOWN:
        return 0
    is_whole = type(age) is int or (type(age) is float and age.is_integer())
    if not is_whole or not YOUNGEST <= age <= OLDEST:
        raise ValueError(
            f"expected whole years from {YOUNGEST} to {OLDEST} or {UNKNOWN}, "
            f"received {show(age)}"
        )
    return int(age)


AGE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": YOUNGEST, "maximum": OLDEST},
        {"const": UNKNOWN},
        {"type": "null"},
    ],
    "description": "The patient's age in years.",
}


def _word(words: Any, description: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """How a finding is read, and how that is said."""
    schema = {"enum": [*get_args(words), None], "description": description}
    return BeforeValidator(_check_word(words)), WithJsonSchema(schema)


class Mass(RequestModel):
    """Findings on one mass; whatever is left out, null or unknown is not known."""

    age: Annotated[int, BeforeValidator(_check_age), WithJsonSchema(AGE_SCHEMA)] = (
        Field(default_factory=int)  # 0: unknown
    )
    shape: Annotated[Shape, *_word(Shape, "Its outline.")] = "unknown"
    margin: Annotated[Margin, *_word(Margin, "Of its outline.")] = "unknown"
    density: Annotated[Density, *_word(Density, "In the picture.")] = "unknown"

    def is_blank(self) -> bool:
        """Whether nothing is known."""
        words = {self.shape, self.margin, self.density}
        return self.age == 0 and words == {UNKNOWN}


MASSES_SCHEMA = WithJsonSchema(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": "max_request_rows",
        "items": Mass.model_json_schema(),
    }
)  # whole: a reference would point out of the OpenAPI document


def _one_or_several(schema: dict[str, Any]) -> None:
    """The schema of one mass, its findings side by side; or of a list of masses."""
    masses = schema["properties"].pop("masses")["anyOf"][0]
    one = {"type": "object", "additionalProperties": False}
    findings = {"properties": schema.pop("properties"), "minProperties": 1}
    several = {"properties": {"masses": masses}, "required": ["masses"]}
    schema["oneOf"] = [one | findings, one | several]
    del schema["additionalProperties"], schema["type"]


class MammogramRequest(Mass):
    """One mass, its findings side by side; or several, as a list."""

    model_config = ConfigDict(json_schema_extra=_one_or_several)
    rows_field = "masses"

    masses: Annotated[list[Mass], ROWS, MASSES_SCHEMA] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "MammogramRequest":
        given = sorted(self.model_fields_set)
        if not given or ("masses" in given and len(given) > 1):
            raise ValueError(
                "expected some of age, shape, margin and density, or masses alone; "
                f"received {', '.join(given) or 'nothing'}"
            )
        if given == ["masses"] and self.masses is None:
            raise ValueError("masses: expected a list, received null")
        return self

    def all_masses(self) -> Sequence[Mass]:
        """The masses, in order."""
        return [self] if self.masses is None else self.masses


class OperatingPoint(BaseModel):
    """Where benign ends and malignant begins, and what that costs."""

    threshold: float = Field(description="The lowest probability called malignant.")
    sensitivity: float = Field(description="Share of malignant masses called so.")
    specificity: float = Field(description="Share of benign masses called so.")


class MammogramPrediction(BaseModel):
    """What the findings on one mass say."""

    probability: float = Field(
        ge=0, le=1, description="Of malignancy; calibrated by cross-validation."
    )
    label: Literal["benign", "malignant"] = Field(
        description="On which side of the threshold the probability is."
    )
    abstain: bool = Field(
        description="Whether it is so near the threshold, or so little is known, that "
        "the label means nothing."
    )
    operating_point: OperatingPoint
    notice: str
    warning: str | None = Field(None, description="Only where no finding is known.")


class MammogramResponse(BaseModel):
    """One prediction for each mass, in the order they came."""

    model: str
    version: int
    predictions: list[MammogramPrediction]


EXAMPLE = {"age": 57, "shape": "irregular", "margin": "spiculated", "density": "low"}


@router.post(
    "/v1/predict/mammogram",
    response_model=MammogramResponse,
    responses=PREDICT_ERRORS,
    openapi_extra=json_body(MammogramRequest, EXAMPLE),
)
async def predict_mammogram(request: Request, version: Version = None) -> Response:
    """Benign or malignant? An aid to study, no diagnosis.

    Takes the patient's age and the mass's shape, margin and density, as far as known,
    of one mass or of several.
    """
    call = ModelCall(request, MODEL, version)
    masses = (await call.json(MammogramRequest)).all_masses()
    rows = await call.decode(lambda: _decode(masses), in_thread=False)
    answer = await call.infer(rows)
    constants = call.manifest(answer).constants
    predictions = [
        _prediction(mass, float(probability), constants)
        for mass, probability in zip(masses, answer.outputs[0], strict=True)
    ]
    return call.respond(answer, predictions, (p["label"] for p in predictions))


def _decode(masses: Sequence[Mass]) -> Tensors:
    """Findings to the model's inputs, each (rows,): int32, and words as bytes."""
    words = [[mass.shape, mass.margin, mass.density] for mass in masses]
    columns = np.array(
        [[word.encode() for word in row] for row in words], dtype=object
    ).T
    ages = np.array([mass.age for mass in masses], np.int32)
    return (ages, *(np.ascontiguousarray(column) for column in columns))


def _prediction(
    mass: Mass, probability: float, constants: dict[str, Any]
) -> dict[str, Any]:
    """A probability, and the constants of the version that gave it, to the answer."""
    lowest, highest = constants["abstain"]
    is_blank = mass.is_blank()
    prediction = {
        "probability": round(probability, 6),
        "label": "malignant" if probability >= constants["threshold"] else "benign",
        "abstain": is_blank or lowest <= probability <= highest,
        "operating_point": {
            name: constants[name]
            for name in ("threshold", "sensitivity", "specificity")
        },
        "notice": NOTICE,
    }
    if is_blank:
        prediction["warning"] = NOTHING_KNOWN
    return prediction
