"""What came of a picture that was sent.

A digit is right if it is the digit that was written. Where no digit was meant, right is
who says so: by a `warning`, by `no_digit` above one half, or by refusing the picture. A
number is right if all its digits are; they are counted one by one too.
"""

from dataclasses import dataclass
from typing import Any

from training.models.digits.evaluation.scenes import Picture

LEAST_OVERLAP = 0.5  # of the boxes' union: from there on the ink was found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one picture.

    Attributes:
        picture: that was sent.
        read: the digits of the answer; "" if it was refused.
        right: see `training.models.digits.evaluation.outcomes`.
        warned: whether the answer has a warning.
        refused: the code of the error, if it is one.
        digits_right: share of its digits that were read, in their order.
        found: whether the answer's box is where the ink is; None if it has no box.
        ms: from the request to the answer.
    """

    picture: Picture
    read: str
    right: bool
    warned: bool
    refused: str | None
    digits_right: float
    found: bool | None
    ms: float


def judge(
    picture: Picture, prediction: dict[str, Any], code: str | None, ms: float
) -> Outcome:
    """Hold an answer against what the picture shows.

    Args:
        picture: that was sent.
        prediction: of the answer; empty if there is none.
        code: of the error, if it is one.
        ms: from the request to the answer.
    """
    read = str(prediction.get("number") or prediction.get("digit", ""))
    warned = bool(prediction.get("warning"))
    doubted = warned or code is not None or (prediction.get("no_digit") or 0) > 0.5
    return Outcome(
        picture=picture,
        read=read,
        right=read == picture.answer if picture.answer else doubted,
        warned=warned,
        refused=code,
        digits_right=_in_order(picture.answer, read) / max(1, len(picture.answer)),
        found=_found(picture, prediction),
        ms=ms,
    )


def _found(picture: Picture, prediction: dict[str, Any]) -> bool | None:
    """Whether the answer's box overlaps with the ink's."""
    box = prediction.get("box")
    if picture.box is None or not box:
        return None
    left, top = box["left"], box["top"]
    theirs = (left, top, left + box["width"], top + box["height"])
    common = _area(
        *(max(a, b) for a, b in zip(theirs[:2], picture.box[:2], strict=True)),
        *(min(a, b) for a, b in zip(theirs[2:], picture.box[2:], strict=True)),
    )
    return common > LEAST_OVERLAP * (_area(*theirs) + _area(*picture.box) - common)


def _area(left: float, top: float, right: float, bottom: float) -> float:
    return max(0.0, right - left) * max(0.0, bottom - top)


def _in_order(expected: str, read: str) -> int:
    """The length of the longest common subsequence."""
    best = [0] * (len(read) + 1)
    for wanted in expected:
        before = best[:]
        for place, received in enumerate(read, 1):
            best[place] = (
                before[place - 1] + 1
                if wanted == received
                else max(before[place], best[place - 1])
            )
    return best[-1]
