"""What goes into a model and what comes out: names, dtypes, shapes."""

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A part of the contract: immutable, and without fields that are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(Frozen):
    """One input or output of a signature."""

    name: str
    dtype: str = Field(description="NumPy's name (uint8, float32), or string")
    shape: tuple[int | None, ...] = Field(description="null = any; the first is rows")


class Signature(Frozen):
    """What goes in and what comes out, in the order in which rows are passed."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
