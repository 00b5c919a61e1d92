"""What is to be written, and what is told of it while it is."""

from enum import IntEnum
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from service.errors import ServeryError


class TextRequest(BaseModel):
    """Texts that begin alike. The caller has checked it against the declaration.

    A text's random numbers depend on the seed and on its own number alone, so of fewer
    texts, or of shorter ones, the same comes.
    """

    model_config = ConfigDict(frozen=True)

    prompt: tuple[int, ...] = Field(description="numbers of symbols")
    control: int | None = Field(None, description="number of the word")
    length: int = Field(ge=1, description="symbols of each text, at most")
    temperature: float
    top_k: int | None = None
    seed: int
    count: int = 1
    stops: tuple[tuple[int, ...], ...] = Field(
        (), description="symbols that end a text where they come together"
    )
    streams: bool = Field(
        False, description="whether symbols are told as they come, or all at the end"
    )


class Reason(IntEnum):
    """Why a text has come to its end."""

    LENGTH = 0
    STOP = 1  # the symbol that ends a text
    SEQUENCE = 2  # one of the request's `stops`
    DEADLINE = 3


class Written(NamedTuple):
    """One symbol of a text, or its end.

    Attributes:
        text: The number of the text in its request.
        symbol: Its number; of an end it says nothing.
        logprob: The natural logarithm of its probability, at an end by the stop symbol
            that one's.
        reason: Why the text has ended; None: it is a symbol.
    """

    text: int
    symbol: int
    logprob: float
    reason: Reason | None = None


class TextSummary(NamedTuple):
    """What all texts of a request took.

    Attributes:
        version: That wrote them.
        rows: That were computed: one to read and one for each symbol but the last.
        batch_rows: Rows in the batch that they shared last.
        queue_s: Seconds that they waited, of the one that waited longest.
        compute_s: Seconds that they were computed, of the one that took longest.
    """

    version: int
    rows: int
    batch_rows: int
    queue_s: float
    compute_s: float


class Listener(Protocol):
    """Whoever is told what is written."""

    def wrote(self, number: int, written: list[Written]) -> None:
        """More of the texts of a request, by its number."""

    def finished(self, number: int, summary: TextSummary) -> None:
        """All of its texts have ended; what they were has been told."""

    def failed(self, number: int, error: ServeryError) -> None:
        """They never will."""
