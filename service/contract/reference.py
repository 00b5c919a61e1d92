"""What a version answered in training, as the catalog carries it."""

from typing import Annotated

from pydantic import Field

from service.contract.signature import Frozen

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Reference(Frozen):
    """How often a version gave which label in training, and how surely.

    Of a regression, which interval its values lay in.
    """

    groups: tuple[str, ...] = Field(description="what is counted, each by its name")
    edges: tuple[Finite, ...] = Field((), description="between intervals, rising")
    ratios: tuple[Finite, ...] = Field((), description="share of each group; or none")
    rows: int = Field(0, description="predictions that this is made of")
    confidence: Finite | None = Field(None, description="mean score of the given label")
    source: str = Field("", description="where that is from, or why it is not known")
