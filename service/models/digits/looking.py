"""Pictures to the digits in them, with the help of the model's finder.

    files ─ decoders ─▶ pictures ─ engine: find ─▶ maps ─ thread ─▶ what was written
                          └─ in MNIST's form already: the digit itself

Of a picture in which several things were written, the reader says which is a digit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from service.engine.batching.tensors import Tensors
from service.errors import InvalidImage
from service.models.digits.finding import LIKELY, Box, Floats, Found, Grey, find_written
from service.models.digits.form import SIDE
from service.models.digits.picture import (
    ROW_BYTES,
    Picture,
    fit_square,
    pack_picture,
    unpack_picture,
)
from service.web.api.model_call import ModelCall

FIND = "find"  # the signature
FINDS_AT_ONCE = 8  # pictures that one request has the engine look at
READS_AT_ONCE = 32  # digits, likewise
NO_DIGIT = 10  # the class
DOUBTED = 0.1  # probability of no digit, from which on its parts are preferred
RIVAL = 0.5  # of the size of what was chosen, from which on it is one of several
BLANK = np.zeros((SIDE, SIDE), np.uint8)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was written in a picture, the largest first.

    Attributes:
        digits: uint8 (28, 28) each, in MNIST's form.
        boxes: Where each is, in the file's pixels; None if that is not known.
        part_of: The number of the thing that each is a part of; its own, of a whole.
    """

    digits: list[Grey]
    boxes: list[Box | None]
    part_of: list[int]

    def settle(self, no_digit: Sequence[float]) -> list[int]:
        """The numbers of the things that count: parts in place of what is no digit.

        Args:
            no_digit: The probability of each that it is none.
        """
        kept: list[int] = []
        for number in sorted({*self.part_of}):
            parts = [
                each
                for each, of in enumerate(self.part_of)
                if of == number != each and no_digit[each] < LIKELY
            ]
            enough = no_digit[parts[0]] if len(parts) == 1 else DOUBTED
            kept += parts if parts and no_digit[number] > enough else [number]
        return kept


@dataclass(frozen=True, slots=True)
class Chosen:
    """The digit that a picture shows.

    Attributes:
        digit: uint8 (28, 28), in MNIST's form; blank if nothing was written.
        box: Where it is, in the file's pixels, if that is known.
        others: How many more digits there are, about as large.
    """

    digit: Grey
    box: Box | None = None
    others: int = 0


async def look(
    call: ModelCall, files: Sequence[bytes], most: int, *, beside: bool = False
) -> list[Seen]:
    """Find what is written in each picture.

    Args:
        call: The request.
        files: Image files.
        most: Things to find in one picture, the largest.
        beside: See `find_written`.

    Raises:
        ServeryError: See `ModelCall.read_images` and `ModelCall.infer`.
    """
    call.hold(len(files), ROW_BYTES)
    (packed,) = await call.read_images(files, pack_picture)
    pictures = [unpack_picture(row) for row in packed]
    unprepared = [each for each in pictures if not each.is_prepared]
    if unprepared and FIND not in call.pin().signatures:
        raise InvalidImage(
            "This version of digits finds no digits in pictures: expected images in "
            "MNIST's form (28 × 28 pixels, light on dark, the digit in the middle 20)."
        )
    found: list[Seen] = []
    for start in range(0, len(unprepared), FINDS_AT_ONCE):
        part = unprepared[start : start + FINDS_AT_ONCE]
        answer = await call.infer((np.stack([each.square for each in part]),), FIND)
        work = partial(_see_all, part, answer.outputs, most, beside=beside)
        found += await call.decode(work, in_thread=True)
    others = iter(found)
    return [_itself(each) if each.is_prepared else next(others) for each in pictures]


async def choose(call: ModelCall, seen: Sequence[Seen]) -> list[Chosen]:
    """The one digit of each picture; the reader is asked where there are several.

    Raises:
        ServeryError: See `ModelCall.infer_in_turn`.
    """
    several = [each for each in seen if len(each.digits) > 1]
    groups = group([digit for each in several for digit in each.digits])
    beliefs: Iterator[Floats] = iter(())
    if groups:
        beliefs = iter((await call.infer_in_turn(groups)).outputs[0])
    return [
        _choose(each, [next(beliefs) for _ in each.digits])
        if len(each.digits) > 1
        else Chosen(each.digits[0], each.boxes[0])
        if each.digits
        else Chosen(BLANK)
        for each in seen
    ]


def group(digits: Sequence[Grey]) -> list[Tensors]:
    """Rows for the reader, so many together as others can wait for."""
    starts = range(0, len(digits), READS_AT_ONCE)
    return [(np.stack(digits[start : start + READS_AT_ONCE]),) for start in starts]


def _choose(seen: Seen, beliefs: Sequence[Floats]) -> Chosen:
    """Prefer what is a digit, then what is large."""
    likely = 1 - np.array([each[NO_DIGIT] for each in beliefs])
    size = np.array([_size(box) for box in seen.boxes])
    counts = np.zeros(len(likely), bool)
    counts[seen.settle([float(each[NO_DIGIT]) for each in beliefs])] = True
    best = int(np.argmax(np.where(counts, likely * np.sqrt(size), -1)))
    rivals = counts & (likely > 0.5) & (size >= RIVAL * size[best])
    places = {seen.boxes[at] for at in np.flatnonzero(rivals)} - {seen.boxes[best]}
    return Chosen(seen.digits[best], seen.boxes[best], len(places))


def _size(box: Box | None) -> int:
    return max(box[2] - box[0], box[3] - box[1]) if box else 1


def _itself(picture: Picture) -> Seen:
    """A picture that has MNIST's form."""
    rows, columns = np.nonzero(picture.small)
    box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return Seen([picture.small], [tuple(map(int, box))], [0])  # type: ignore[list-item]


def _see_all(
    pictures: Sequence[Picture], maps: Tensors, most: int, *, beside: bool
) -> list[Seen]:
    return [
        _see(picture, find_written(ink, cores, most, beside=beside))
        for picture, ink, cores in zip(pictures, *maps, strict=True)
    ]


def _see(picture: Picture, found: list[Found]) -> Seen:
    """What was found; of a picture of 28×28 pixels, first of all itself."""
    digits: list[Grey] = []
    boxes: list[Box | None] = []
    part_of: list[int] = []
    if picture.size == (SIDE, SIDE):
        digits, boxes, part_of = [picture.small], [None], [0]
    for whole in found:
        number = len(digits)
        for each in (whole, *whole.parts):
            digits.append(each.digit)
            boxes.append(_in_file(each.box, picture.size))
            part_of.append(number)
    if picture.size == (SIDE, SIDE):
        boxes = [(0, 0, SIDE, SIDE) for _ in boxes]
    return Seen(digits, boxes, part_of)


def _in_file(box: Box, size: tuple[int, int]) -> Box | None:
    """A box in the finder's picture to the file's pixels."""
    if not any(size):
        return None
    left, top, width, height = fit_square(*size)
    scale = np.array([size[0] / width, size[1] / height] * 2)
    first_x, first_y, last_x, last_y = np.rint(
        (np.array(box) - [left, top, left, top]) * scale
    ).astype(int)
    return (
        max(int(first_x), 0),
        max(int(first_y), 0),
        min(int(last_x), size[0]),
        min(int(last_y), size[1]),
    )
