"""Asks a running service about pictures, and counts by kind what it answered.

kinds ─ draw ─▶ pictures ─ HTTP ─▶ answers ─ judge ─▶ outcomes ─ count ─▶ a table
"""

import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx
import numpy as np

from training.models.digits.evaluation.files import HeldOut
from training.models.digits.evaluation.kinds import KINDS
from training.models.digits.evaluation.outcomes import Outcome, judge
from training.models.digits.evaluation.scenes import Picture

PATH = "/v1/predict/digits"
REFUSED = 422
Z = 1.96  # standard deviations to either side that hold 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one kind of picture; shares are 0 to 1.

    Attributes:
        kind: its name.
        rows: pictures.
        right: share that was right.
        low: of the 95 % interval of `right` (Wilson).
        high: of that interval.
        digits_right: share of single digits that were right.
        warned: share with a warning.
        errors: share that was refused.
        found: share whose box lies where the ink is; None where no box came.
        right_if_found: share of those that was right.
        ms: on average.
    """

    kind: str
    rows: int
    right: float
    low: float
    high: float
    digits_right: float
    warned: float
    errors: float
    found: float | None
    right_if_found: float | None
    ms: float


def pictures(kind: str, held_out: HeldOut, each: int, seed: int) -> Iterator[Picture]:
    """The first `each` pictures of a kind; more go on where fewer ended."""
    name = zlib.crc32(kind.encode())
    order = np.random.default_rng([seed, name]).permutation(len(held_out.images))
    for index in range(each):
        rng = np.random.default_rng([seed, name, index])
        yield KINDS[kind](held_out, int(order[index % len(order)]), rng)


def ask(client: httpx.Client, picture: Picture, *, boxes: bool = False) -> Outcome:
    """Send one picture, and judge the answer."""
    many = {"many": "true"} if len(picture.answer) > 1 else {}
    where = {"prepared": "true"} if boxes and picture.box and not many else {}
    headers = {"content-type": picture.media_type}
    start = time.perf_counter()
    params = many | where
    answer = client.post(PATH, content=picture.data, headers=headers, params=params)
    ms = (time.perf_counter() - start) * 1000
    if answer.status_code == REFUSED:
        return judge(picture, {}, answer.json()["code"], ms)
    answer.raise_for_status()
    return judge(picture, answer.json()["predictions"][0], None, ms)


def measure(
    client: httpx.Client,
    kinds: Sequence[str],
    held_out: HeldOut,
    *,
    each: int,
    seed: int,
    boxes: bool = False,
    tell: Callable[[str, int, Outcome], None] = lambda *_: None,
) -> Iterator[Row]:
    """Measure kind after kind.

    Args:
        client: whose base address is the service's.
        kinds: names in `KINDS`.
        held_out: what the pictures are made of.
        each: pictures of each kind.
        seed: the same seed makes the same pictures.
        boxes: whether to ask where the ink was found, which costs the service time.
        tell: is told each outcome: its kind, its number and what it is.
    """
    for kind in kinds:
        outcomes = []
        for index, picture in enumerate(pictures(kind, held_out, each, seed)):
            outcomes.append(ask(client, picture, boxes=boxes))
            tell(kind, index, outcomes[-1])
        yield count(kind, outcomes)


def count(kind: str, outcomes: Sequence[Outcome]) -> Row:
    """Outcomes of one kind to shares of them."""
    placed = [each for each in outcomes if each.found is not None]
    found = [each for each in placed if each.found]
    right = [each.right for each in outcomes]
    low, high = wilson(sum(right), len(right))
    return Row(
        kind=kind,
        rows=len(outcomes),
        right=_mean(right),
        low=low,
        high=high,
        digits_right=_mean([each.digits_right for each in outcomes]),
        warned=_mean([each.warned for each in outcomes]),
        errors=_mean([each.refused is not None for each in outcomes]),
        found=len(found) / len(outcomes) if placed else None,
        right_if_found=_mean([each.right for each in found]) if found else None,
        ms=_mean([each.ms for each in outcomes]),
    )


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22, 1927.
    """
    share, weight = right / rows, 1 + Z**2 / rows
    middle = (share + Z**2 / (2 * rows)) / weight
    half = Z * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2)) / weight
    return max(0.0, middle - half), min(1.0, middle + half)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
