"""What the machine could do at most: the model and HTTP, and nothing else.

Pure: turns in, figures out.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bare import Bare
from benchmarks.results import Turn
from benchmarks.subjects import WITHOUT_MODEL
from benchmarks.summary import summarise

FULL_BATCH = 32  # rows

TEXT = """\
For digits, the ceiling is what the cores could do if they were shared perfectly and
nothing else cost:

    cores / (CPU s of the bare model for an image, 32 in a call, one thread
             + CPU s of the HTTP layer for a request, decoding and no model)
    = {cores} / ({model_ms:.3f} ms + {http_ms:.3f} ms) = {rate:,.0f} requests/s

The HTTP layer is one process of Servery's, asked on 32 connections, whose engine
answers at once. wrk itself takes {client_ms:.3f} ms of CPU for a request, on the same
cores; with that, the ceiling would be {with_client:,.0f}.
"""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Of digits.

    Attributes:
        cores: Of the machine.
        model_ms: CPU milliseconds of the bare model for an image, in full batches.
        http_ms: CPU milliseconds of HTTP and decoding for a request.
        client_ms: CPU milliseconds of the load generator for a request.
    """

    cores: int
    model_ms: float
    http_ms: float
    client_ms: float

    @property
    def rate(self) -> float:
        """Requests a second if the cores were shared perfectly and that were all."""
        return 1000 * self.cores / (self.model_ms + self.http_ms)

    @property
    def with_client(self) -> float:
        """The same if the load generator has its share of the cores too."""
        return 1000 * self.cores / (self.model_ms + self.http_ms + self.client_ms)

    def describe(self) -> str:
        """The formula with its figures, as Markdown."""
        return TEXT.format(
            cores=self.cores,
            model_ms=self.model_ms,
            http_ms=self.http_ms,
            client_ms=self.client_ms,
            rate=self.rate,
            with_client=self.with_client,
        )


def find_ceiling(turns: Sequence[Turn], cores: int) -> Ceiling | None:
    """The ceiling; None where the model or HTTP was not measured alone."""
    found = find_bare(turns, "digits")
    http = [s for t in turns if t.server == WITHOUT_MODEL for s in t.samples]
    if found is None or not http:
        return None
    full = [each.cpu_ms for each in found[1] if each.size == FULL_BATCH]
    alone = summarise(http)
    return Ceiling(cores, statistics.median(full), alone.cpu_ms, alone.client_cpu_ms)


def find_bare(turns: Sequence[Turn], model: str) -> tuple[int, list[Bare]] | None:
    """When the bare model had its turn, and what it gave; None if it had none."""
    for number, turn in enumerate(turns):
        if turn.bare and turn.bare[0].model == model:
            return number, turn.bare
    return None
