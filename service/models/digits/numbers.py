"""Digits in the order in which people read them: line by line, from the left."""

from collections.abc import Iterable
from typing import TypeVar

from service.models.digits.finding import Box

T = TypeVar("T")

SAME_LINE = 0.5  # of the smaller of two heights, by which two of a line overlap


def in_reading_order(things: Iterable[tuple[T, Box | None]]) -> list[list[T]]:
    """Put what was found into lines.

    A thing is on the line whose last thing, to the left of it, it overlaps by half of
    its height or of the other's; so a line may rise or fall.

    Args:
        things: Each with its place: left, top, right, bottom. Without a place it comes
            last.

    Returns:
        The lines from top to bottom, each from left to right.
    """
    placed = [(thing, box or (10**9, 10**9, 10**9, 10**9)) for thing, box in things]
    placed.sort(key=lambda each: each[1][0])
    lines: list[list[tuple[T, Box]]] = []
    for thing, box in placed:
        fitting = [line for line in lines if _overlap(line[-1][1], box) >= SAME_LINE]
        if fitting:
            max(fitting, key=lambda line: _overlap(line[-1][1], box)).append(
                (thing, box)
            )
        else:
            lines.append([(thing, box)])
    lines.sort(key=lambda line: sum(box[1] + box[3] for _, box in line) / len(line))
    return [[thing for thing, _ in line] for line in lines]


def _overlap(first: Box, second: Box) -> float:
    """How much of the lower of two is beside the other, as a share of its height."""
    common = min(first[3], second[3]) - max(first[1], second[1])
    return common / max(min(first[3] - first[1], second[3] - second[1]), 1)
