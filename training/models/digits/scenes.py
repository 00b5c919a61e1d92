"""Pictures of handwriting as people take them, with the ink that is meant.

    paper ─ print ─ marks ─ INK ─ creases ─ shadows ─ things ─ table ─ camera → picture
                             └────────────────────────────────────────────────→ targets

A scene is made from a seed and a number; the same two make the same scene.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import zoom

from service.models.digits.finding import COARSE, CORE, FINE, NARROWEST
from service.models.digits.picture import GREY
from training.models.digits import light, marks, papers
from training.models.digits.papers import Picture, Random
from training.models.digits.writing import (
    Hand,
    Writing,
    choose_sheet,
    place_image,
    somewhere,
    write,
    write_one,
)

SHAPES = ((224, 168), (224, 168), (168, 224), (224, 224), (224, 126), (150, 224))


@dataclass(slots=True)
class Scene:
    """A picture and what is to be found in it.

    Attributes:
        picture: uint8 (224, 224, 3).
        ink: uint8 (224, 224), 255 = ink of what was written.
        cores: uint8 (112, 112), 255 = the middle of one thing that was written.
        labels: of each thing: 0 to 9, or 10 = no digit.
        boxes: of each: left, top, right, bottom, pixels.
    """

    picture: npt.NDArray[np.uint8]
    ink: npt.NDArray[np.uint8]
    cores: npt.NDArray[np.uint8]
    labels: list[int]
    boxes: list[tuple[float, float, float, float]]


def make_scene(hand: Hand, seed: int, number: int) -> Scene:
    """Make one scene."""
    random = np.random.default_rng([seed, number])
    shape = SHAPES[random.integers(len(SHAPES))]
    kind = random.random()
    if kind < 0.14:
        return _plain_scene(hand, random, shape)
    if kind < 0.19:
        seen = light.photograph(random, light.make_clutter(random, shape))
        return _finish(seen, Writing(shape, np.zeros(shape, np.float32)))
    picture = papers.make_paper(random, shape)
    sheet = choose_sheet(random, shape)
    pitch = max(shape) * float(np.exp(random.uniform(np.log(0.035), np.log(0.3))))
    scale = max(shape) * float(np.exp(random.uniform(np.log(0.09), np.log(0.75))))
    _print(random, picture, pitch, scale)
    writing = write(hand, random, shape, sheet, scale)
    ink_colour = papers.choose_ink(random, picture.mean(axis=(0, 1)))
    marks.mark(random, picture, writing, ink_colour)
    alpha = writing.ink * np.float32(random.uniform(0.75, 1))
    if random.random() < 0.2:  # a pencil, or chalk
        grain = random.random(shape, np.float32)
        alpha *= 1 - np.float32(random.uniform(0.2, 0.7)) * grain
    papers.paint(picture, alpha, ink_colour)
    _light(random, picture)
    if random.random() < 0.25:
        marks.lay_thing(random, picture, writing)
    if sheet is not None:
        light.lay_on_table(random, picture, sheet)
    return _finish(light.photograph(random, picture), writing)


def _plain_scene(hand: Hand, random: Random, shape: tuple[int, int]) -> Scene:
    """A drawing on a screen, or a tiny picture that was enlarged."""
    picture = np.full((*shape, 3), random.choice([0, 255, 255]), np.float32)
    if random.random() < 0.3:
        picture[:] = random.uniform(0, 255, 3)
    writing = Writing(shape, np.zeros(shape, np.float32))
    scale = float(random.uniform(0.2, 0.9)) * min(shape)
    row = int(random.integers(len(hand.labels)))
    centre = somewhere(random, shape, scale, None)
    if random.random() < 0.5:
        writing.add(
            int(hand.labels[row]), place_image(hand.images[row], shape, centre, scale)
        )
    else:
        write_one(
            hand, random, writing, centre, scale, scale * random.uniform(0.02, 0.2)
        )
    colour = papers.choose_ink(random, picture[0, 0])
    if np.ptp(picture[0, 0]) == 0 and random.random() < 0.7:
        colour = 255 - picture[0, 0]
    alpha = writing.ink
    if random.random() < 0.5:  # few pixels
        coarse = scale / random.uniform(7, 18)
        small = zoom(alpha, 1 / coarse, order=1, grid_mode=True, mode="nearest")
        factors = np.array(shape) / small.shape
        alpha = zoom(
            small,
            factors,
            order=int(random.integers(0, 2)),
            grid_mode=True,
            mode="nearest",
        )
    papers.paint(picture, alpha, colour)
    pixels = picture + random.standard_normal(
        picture.shape, np.float32
    ) * random.choice([0, 0, 2, 6])
    return _finish(np.clip(pixels, 0, 255).astype(np.uint8), writing)


def _print(random: Random, picture: Picture, pitch: float, scale: float) -> None:
    kind = random.random()
    if kind > 0.42:
        return
    shape = picture.shape[:2]
    which = (
        "lines"
        if kind < 0.12
        else "squares"
        if kind < 0.26
        else "dots"
        if kind < 0.28
        else "text"
    )
    if which == "squares" and random.random() < 0.4:
        pitch = scale * random.uniform(1.1, 2.2)  # a digit to a cell
    if which == "text":
        pitch = np.clip(pitch, 0.03 * max(shape), 0.12 * max(shape))
    mask = papers.print_ruling(random, shape, pitch, which)
    ink = papers.choose_ink(random, picture.mean(axis=(0, 1)))
    papers.paint(picture, mask * np.float32(random.uniform(0.2, 0.9)), ink)


def _light(random: Random, picture: Picture) -> None:
    if random.random() < 0.14:
        light.crease(random, picture)
    kind = random.random()
    for name, share in (
        ("edge", 0.14),
        ("stripes", 0.34),
        ("blob", 0.4),
        ("soft", 0.5),
    ):
        if kind < share:
            light.cast_shadow(random, picture, name)
            return


def _finish(seen: npt.NDArray[np.uint8], writing: Writing) -> Scene:
    """Fill the picture up to a square, and draw the cores."""
    height, width = writing.shape
    top, left = (FINE - height) // 2, (FINE - width) // 2
    picture = np.full((FINE, FINE, 3), GREY, np.uint8)
    picture[top : top + height, left : left + width] = seen
    ink = np.zeros((FINE, FINE), np.uint8)
    ink[top : top + height, left : left + width] = np.rint(writing.ink * 255)
    boxes = [(x + left, y + top, r + left, b + top) for x, y, r, b in writing.boxes]
    return Scene(picture, ink, _draw_cores(boxes), writing.labels, boxes)


def _draw_cores(
    boxes: list[tuple[float, float, float, float]],
) -> npt.NDArray[np.uint8]:
    cores = np.zeros((COARSE, COARSE), np.uint8)
    y, x = np.mgrid[:COARSE, :COARSE] + 0.5
    for box in boxes:
        left, top, right, bottom = np.array(box) * (COARSE / FINE)
        wide, tall = right - left, bottom - top
        a = max(CORE * max(wide, NARROWEST * tall), 1.0)
        b = max(CORE * max(tall, NARROWEST * wide), 1.0)
        far = ((x - (left + right) / 2) / a) ** 2 + ((y - (top + bottom) / 2) / b) ** 2
        cores[far <= 1] = 255
    return cores
