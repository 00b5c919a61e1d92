"""Whether a version can be compiled, and what came of it."""

from typing import Literal

from pydantic import Field

from service.contract.contract import Contract
from service.contract.golden import Origin
from service.contract.signature import Frozen

RuntimeName = Literal["openvino", "tensorflow"]
Precision = Literal["float32", "bfloat16"]

DTYPES = frozenset({
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32",
})  # fmt: skip
"""What is computed as it is: of float64, OpenVINO would drop half of the digits."""


class Proof(Frozen):
    """By what it was found that a signature may compute in bfloat16."""

    rows: int = Field(description="samples that were computed in both precisions")
    difference: float = Field(description="the largest of an output from TensorFlow's")
    changed: int | None = Field(
        None, description="samples to which the answer is another; null = none have one"
    )
    accuracy: dict[Precision, float] = Field(
        default_factory=dict, description="share of right answers, 0 to 1"
    )
    faster: float | None = Field(None, description="times as fast as in float32")
    milliseconds: dict[Precision, dict[str, float]] = Field(
        default_factory=dict, description="what a batch takes, by its rows"
    )


class PrecisionChoice(Frozen):
    """What a version computes in, and why it does."""

    name: Precision = Field(description="bfloat16, if any signature computes in it")
    reason: str
    signatures: dict[str, Proof] = Field(
        default_factory=dict, description="those that compute in bfloat16"
    )


class RuntimeChoice(Frozen):
    """What computes a version, and why it does."""

    name: RuntimeName
    reason: str
    samples: Origin | None = Field(
        None, description="what the two runtimes were compared by; null = they were not"
    )
    difference: float | None = Field(
        None, description="the largest of an output from TensorFlow's"
    )
    noise: float | None = Field(
        None, description="the same of TensorFlow from itself in batches of other sizes"
    )
    milliseconds: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="what a batch takes, by runtime and then by its rows",
    )
    precision: PrecisionChoice | None = Field(
        None, description="null = float32, and no other was thought of"
    )

    @property
    def computes_in(self) -> Precision:
        """The precision's name."""
        return "float32" if self.precision is None else self.precision.name

    def describe(self) -> str:
        """All reasons on one line, for the log."""
        said = f"{self.name}, {self.reason}"
        if self.precision is None:
            return said
        return f"{said}; {self.precision.name}, {self.precision.reason}"


def find_obstacle(contract: Contract) -> str | None:
    """Why a version cannot be compiled, as far as can be told without trying."""
    if contract.stateful:
        return f"{contract.stateful[0]} keeps state"
    for name, signature in contract.signatures.items():
        for spec in (*signature.inputs, *signature.outputs):
            if spec.dtype not in DTYPES:
                return f"{spec.name} is {spec.dtype}"
        for spec in signature.inputs:
            free = spec.shape[1:] if contract.batches(name) else spec.shape
            if spec.any_rank or None in free:
                return f"{spec.name} has dimensions of any size"
    return None
