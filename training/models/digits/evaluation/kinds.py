"""Every kind of picture that is measured, by group and name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from training.models.digits.evaluation import camera, ink, marks, papers, scenes
from training.models.digits.evaluation.camera import Camera
from training.models.digits.evaluation.corruptions import CORRUPTIONS
from training.models.digits.evaluation.files import (
    HeldOut,
    corrupted,
    enlarged,
    natural,
    optdigits,
    unchanged,
)
from training.models.digits.evaluation.scenes import (
    FELT,
    MARKER,
    PENCIL,
    Pen,
    Picture,
    Setting,
    photo,
)

Kind = Callable[[HeldOut, int, Generator], Picture]
Writer = Callable[[HeldOut, int, Generator], tuple[ink.Strokes, str]]

THIN, MEDIUM, THICK = (Pen((width, width * 1.15)) for width in (0.03, 0.065, 0.12))
PLAIN = Setting()
SQUARED, RULED = Setting(paper=papers.squared), Setting(paper=papers.ruled)
WHITEBOARD = Setting(
    paper=papers.whiteboard,
    pens=(Pen((0.05, 0.11), scenes.BOARD),),
    margin=(-0.05, -0.04),
)
SCREEN = Setting(
    paper=papers.screen,
    margin=(-0.06, -0.05),
    light=camera.even,
    camera=Camera(exposure=(1, 1), noise=(0, 0), blur=(0, 0.5)),
)
TABLE = Setting(table=papers.wood, margin=(0.03, 0.13), height=(110, 340))
BOTH_WAYS = (SCREEN, PLAIN)


def digit(held_out: HeldOut, row: int, rng: Generator) -> tuple[ink.Strokes, str]:
    """One of MNIST's test images, traced."""
    return ink.trace(held_out.images[row]), str(held_out.labels[row])


def drawn(draw: Callable[[Generator], ink.Strokes], answer: str = "") -> Writer:
    """What is drawn here, not traced."""

    def write(held_out: HeldOut, row: int, rng: Generator) -> tuple[ink.Strokes, str]:
        return draw(rng), answer

    return write


def nothing(held_out: HeldOut, row: int, rng: Generator) -> tuple[ink.Strokes, str]:
    """Nobody wrote."""
    return [], ""


def number(digits: int) -> Writer:
    """Digits side by side, as one writes a number."""

    def write(held_out: HeldOut, row: int, rng: Generator) -> tuple[ink.Strokes, str]:
        rows = [row, *rng.integers(len(held_out.images), size=digits - 1)]
        answer = "".join(str(held_out.labels[each]) for each in rows)
        traced = [ink.trace(held_out.images[each]) for each in rows]
        return _side_by_side(traced, rng), answer

    return write


def _side_by_side(digits: Sequence[ink.Strokes], rng: Generator) -> ink.Strokes:
    """Gaps and heights vary a little; the middle is at 0."""
    gap, left, strokes = rng.uniform(0.2, 0.4), 0.0, []
    for digit in digits:
        across = np.concatenate(digit)[:, 0]
        shift = [left - across.min(), rng.normal(0, 0.04)]
        strokes += [stroke + shift for stroke in digit]
        left += np.ptp(across) + gap * rng.uniform(0.8, 1.3)
    return [stroke - [(left - gap) / 2, 0] for stroke in strokes]


def two_digits(held_out: HeldOut, row: int, rng: Generator) -> tuple[ink.Strokes, str]:
    """Two digits, of which neither is *the* digit."""
    return number(2)(held_out, row, rng)[0], ""


def photographed(write: Writer, *settings: Setting) -> Kind:
    """Photos of what somebody writes, each in one of the settings."""

    def take(held_out: HeldOut, row: int, rng: Generator) -> Picture:
        strokes, answer = write(held_out, row, rng)
        return photo(strokes, answer, settings[rng.integers(len(settings))], rng)

    return take


def _pens(width: Pen) -> tuple[Setting, ...]:
    return tuple(replace(each, pens=(width,)) for each in BOTH_WAYS)


ORDINARY = (PLAIN, SQUARED, RULED, WHITEBOARD, SCREEN)
SETTINGS = {
    "plain-paper": PLAIN,
    "phone": Setting(camera=Camera(width=1200, blur=(0.3, 0.8))),
    "pencil": Setting(pens=(PENCIL,)),
    "squared-paper": SQUARED,
    "ruled-paper": RULED,
    "whiteboard": WHITEBOARD,
    "night": Setting(camera=camera.NIGHT, pens=(FELT, MARKER)),
    "coloured-paper": Setting(pale=True, pens=(FELT, MARKER)),
    "chalk": Setting(
        paper=papers.blackboard,
        pens=(Pen((0.05, 0.1), scenes.CHALK, rough=0.5),),
        margin=(-0.05, -0.04),
    ),
    "circled": Setting(around=marks.circle, height=(80, 260), reach=0.26),
    "boxed": Setting(around=marks.frame, height=(80, 260), reach=0.26),
    "underlined": Setting(around=marks.underline, height=(80, 320), reach=0.26),
    "answer-line": Setting(around=marks.answer_line, height=(80, 320)),
    "pen-beside": Setting(around=marks.lying_pen, height=(100, 320), reach=0.26),
    "creased-paper": Setting(creased=True),
    "dark-table": TABLE,
    "dark-table-shadow": replace(TABLE, light=camera.hard_shadow),
    "hard-shadow": Setting(light=camera.hard_shadow),
    "blinds": Setting(light=camera.blinds),
    "printed-text": Setting(
        paper=papers.printed,
        pens=(Pen((0.05, 0.1), scenes.BRIGHT),),
        height=(150, 400),
    ),
}
GROUPS: dict[str, Mapping[str, Kind]] = {
    "photos": {
        name: photographed(digit, setting) for name, setting in SETTINGS.items()
    },
    "drawn": {
        "hooked-1-thin": photographed(drawn(ink.hooked_one, "1"), *_pens(THIN)),
        "hooked-1-medium": photographed(drawn(ink.hooked_one, "1"), *_pens(MEDIUM)),
        "hooked-1-thick": photographed(drawn(ink.hooked_one, "1"), *_pens(THICK)),
        "footed-1": photographed(drawn(ink.footed_one, "1"), *BOTH_WAYS),
        "crossed-7": photographed(drawn(ink.crossed_seven, "7"), *BOTH_WAYS),
    },
    "files": {"mnist": unchanged, "mnist-enlarged": enlarged, "optdigits": optdigits},
    "no-digit": {
        "letters": photographed(drawn(ink.letter), *ORDINARY),
        "scribbles": photographed(drawn(ink.scribble), *ORDINARY),
        "two-digits": photographed(two_digits, *ORDINARY),
        "empty-cell": photographed(nothing, replace(PLAIN, around=marks.cells)),
        "empty-paper": photographed(nothing, *ORDINARY),
        "natural": natural,
    },
    "numbers": {
        "number-plain": photographed(number(4), replace(PLAIN, height=(60, 180))),
        "number-squared": photographed(number(4), replace(SQUARED, height=(60, 180))),
    },
    "mnist-c": {name: corrupted(corrupt) for name, corrupt in CORRUPTIONS.items()},
}
KINDS: dict[str, Kind] = {
    name: kind for kinds in GROUPS.values() for name, kind in kinds.items()
}
