"""Mammographic masses: four findings → a calibrated probability of malignancy."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.signature import TensorSpec
from service.contract.table import TableField
from service.contract.task import TabularClassification
from service.engine.batching.tensors import Tensors
from service.tasks.endpoint import Given, Wanted
from service.tasks.tables import TableEndpoint

YOUNGEST, OLDEST = 18, 120
UNKNOWN = "unknown"
NOTICE = (
    "An aid to study, no diagnosis: ask a doctor, who sees more than four findings."
)
NOTHING_KNOWN = "no finding is known: the probability is the share in the data set"
EXAMPLE = {"age": 57, "shape": "irregular", "margin": "spiculated", "density": "low"}

SHAPES = ("round", "oval", "lobular", "irregular")
MARGINS = ("circumscribed", "microlobulated", "obscured", "ill-defined", "spiculated")
DENSITIES = ("high", "iso", "low", "fat-containing")


def _finding(name: str, description: str, words: Sequence[str]) -> TableField:
    return TableField(
        name=name,
        kind="category",
        description=description,
        words=(*words, UNKNOWN),
        optional=True,
        missing=UNKNOWN,
    )


FIELDS = (
    TableField(
        name="age",
        kind="integer",
        description="The patient's age.",
        unit="years",
        minimum=YOUNGEST,
        maximum=OLDEST,
        optional=True,
        missing=0,
        missing_word=UNKNOWN,
    ),
    _finding("shape", "Its outline.", SHAPES),
    _finding("margin", "Of its outline.", MARGINS),
    _finding("density", "In the picture.", DENSITIES),
)
INPUTS = tuple(
    TensorSpec(name=name, dtype=dtype, shape=(None,))
    for name, dtype in (
        ("age", "int32"), ("shape", "string"), ("margin", "string"),
        ("density", "string"),
    )
)  # fmt: skip


class OperatingPoint(BaseModel):
    """Where benign ends and malignant begins, and what that costs."""

    threshold: float = Field(description="The lowest probability called malignant.")
    sensitivity: float = Field(description="Share of malignant masses called so.")
    specificity: float = Field(description="Share of benign masses called so.")


class MammogramPrediction(BaseModel):
    """What the findings on one mass say."""

    probability: float = Field(
        ge=0,
        le=1,
        description="Of malignancy; calibrated for masses like those of the data set. "
        "By a logistic regression, which is the baseline itself: small networks, as in "
        "version 1, are no better on these findings.",
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


class Mammogram(TableEndpoint):
    """Benign or malignant? An aid to study, no diagnosis.

    Takes the patient's age and the mass's shape, margin and density, as far as known,
    of one mass or of several.
    """

    model = "mammogram"
    task = TabularClassification(fields=FIELDS)
    prediction = MammogramPrediction

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `MammogramPrediction`."""
        return [
            _prediction(
                float(probability), contract.constants, is_blank=record.is_blank()
            )
            for record, probability in zip(given.sources, outputs[0], strict=True)
        ]


MAMMOGRAM = Mammogram(FIELDS, INPUTS, EXAMPLE, (None, "masses"))
ENDPOINTS = {MAMMOGRAM.model: MAMMOGRAM}
router = MAMMOGRAM.router()


def _prediction(
    probability: float, constants: dict[str, Any], *, is_blank: bool
) -> dict[str, Any]:
    """A probability, and the constants of the version that gave it, to the answer."""
    lowest, highest = constants["abstain"]
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
