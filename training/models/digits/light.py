"""What light, a table and a camera make of a sheet of paper.

All functions change float32 (height, width, 3) pictures, 0 to 255, or make one.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.models.digits.papers import (
    Picture,
    Random,
    blur,
    draw_area,
    draw_lines,
    field,
    paint,
    shade,
)

TABLES = ((84, 52, 34), (50, 40, 36), (120, 90, 60), (40, 44, 50), (150, 150, 150))


LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def crease(random: Random, picture: Picture) -> None:
    """Fold and crumple the sheet: flat parts that catch the light differently."""
    height, width = picture.shape[:2]
    shape = (height, width)
    depth = random.uniform(0.03, 0.3)
    light = np.ones(shape, np.float32)
    for _ in range(int(random.integers(2, 16))):
        centre, angle = random.random(2) * [width, height], random.uniform(0, 2 * np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * (height + width)
        side = np.array([-along[1], along[0]]) * random.choice([0.02, 0.1, 0.3, 1])
        facet = draw_area(
            shape,
            [
                centre - along,
                centre + along,
                centre + along + side,
                centre - along + side,
            ],
        )
        light *= 1 + facet * np.float32(random.uniform(-depth, depth * 0.7))
        if random.random() < 0.5:
            edge = draw_lines(
                shape, [[centre - along, centre + along]], random.uniform(0.4, 1.2)
            )
            light *= 1 + edge * np.float32(random.uniform(-depth, depth))
    shade(picture, light)


def cast_shadow(random: Random, picture: Picture, kind: str) -> None:
    """Take light away: "edge", "stripes", "blob" or "soft"."""
    height, width = picture.shape[:2]
    shape, reach = (height, width), float(height + width)
    centre = random.uniform(0.1, 0.9, 2) * [width, height]
    angle = random.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    if kind == "soft":
        dark = field(random, shape, int(random.integers(1, 4)))
    elif kind == "blob":
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radius = (
            random.uniform(0.15, 0.5)
            * width
            * (1 + 0.3 * np.sin(turns * random.integers(1, 5) + random.uniform(0, 6)))
        )
        dark = draw_area(
            shape,
            centre + radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1),
        )
    elif kind == "stripes":
        pitch = reach * float(np.exp(random.uniform(np.log(0.02), np.log(0.16))))
        steps = np.arange(-reach, reach, pitch)[:, None]
        rows = np.stack(
            [
                centre + across * steps - along * reach,
                centre + across * steps + along * reach,
            ],
            1,
        )
        dark = draw_lines(shape, rows, pitch * random.uniform(0.25, 0.65))
    else:
        steps = np.linspace(-reach, reach, 80)[:, None]
        waves = (
            random.uniform(0, 0.02)
            * reach
            * np.sin(steps * random.uniform(0.01, 0.1) + random.uniform(0, 6))
        )
        line = centre + along * steps + across * waves
        dark = draw_area(
            shape, [*line, line[-1] + across * reach * 2, line[0] + across * reach * 2]
        )
    softness = float(random.choice([0, 0.5, 1, 2, 4, 8]))
    if softness and kind != "soft":
        dark = blur(dark, softness)
    shade(picture, 1 - np.float32(random.uniform(0.15, 0.7)) * dark)


def lay_on_table(
    random: Random, picture: Picture, sheet: npt.NDArray[np.floating]
) -> None:
    """Show what is beyond the sheet's four corners: a table."""
    height, width = picture.shape[:2]
    shape = (height, width)
    colour = np.array(TABLES[random.integers(len(TABLES))], np.float32)
    colour = np.clip(colour + random.normal(0, 25, 3), 5, 250)
    table = np.broadcast_to(colour, picture.shape).astype(np.float32)
    rough = random.uniform(0, 50)
    table += (field(random, shape, int(random.integers(4, 80))) - 0.5)[
        ..., None
    ] * rough
    if random.random() < 0.5:  # boards
        wood = np.sin(
            np.linspace(0, random.uniform(10, 120), width)
            + random.normal(0, 0.3, width)
        )
        table += (wood[None, :, None] * random.uniform(0, 14)).astype(np.float32)
    if random.random() < 0.4:
        litter(random, table, int(random.integers(1, 8)))
    on_sheet = draw_area(shape, sheet)
    if random.random() < 0.5:  # the sheet throws a shadow
        shadow = blur(
            np.roll(
                on_sheet,
                (int(random.integers(0, 6)), int(random.integers(-5, 6))),
                (0, 1),
            ),
            2,
        )
        shade(table, 1 - np.float32(random.uniform(0.1, 0.5)) * shadow)
    picture *= on_sheet[..., None]
    picture += (1 - on_sheet)[..., None] * table


def litter(random: Random, picture: Picture, things: int) -> None:
    """Put flat things of any colour into the picture."""
    height, width = picture.shape[:2]
    for _ in range(things):
        corners = int(random.integers(3, 12))
        turns = np.sort(random.uniform(0, 2 * np.pi, corners))
        radii = random.uniform(0.03, 0.4) * width * random.uniform(0.5, 1, corners)
        around = np.stack([np.cos(turns), np.sin(turns) * random.uniform(0.2, 1)], 1)
        outline = random.random(2) * [width, height] + radii[:, None] * around
        paint(picture, draw_area((height, width), outline), random.uniform(0, 255, 3))


def make_clutter(random: Random, shape: tuple[int, int]) -> Picture:
    """A picture of nothing that was written: clouds, textures, things."""
    picture = np.zeros((*shape, 3), np.float32)
    cells, share = 2, 1.0
    fall = random.uniform(0.4, 0.8)
    while cells < max(shape):
        for channel in range(3):
            picture[..., channel] += share * field(random, shape, cells)
        grey = field(random, shape, cells)[..., None]
        picture += share * random.uniform(0, 3) * grey
        cells, share = cells * 2, share * fall
    picture -= picture.min()
    picture *= 255 / picture.max()
    litter(random, picture, int(random.integers(0, 30)))
    return picture


def photograph(random: Random, picture: Picture) -> npt.NDArray[np.uint8]:
    """Blur, noise, exposure and compression of a camera: uint8 of the same shape."""
    light = 1 - random.uniform(0, 0.35) * field(
        random, picture.shape[:2], int(random.integers(1, 3))
    )
    picture = picture * light[..., None]
    picture *= np.exp(random.normal(0, 0.06, 3)).astype(np.float32)
    if random.random() < 0.1:  # at night
        picture *= np.float32(random.uniform(0.15, 0.6))
    picture = np.clip(picture, 0, 255) ** np.float32(np.exp(random.normal(0, 0.1)))
    picture *= 255 / max(255.0, float(picture.max()))
    image = Image.fromarray(picture.astype(np.uint8))
    if random.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.3)))
    noise = random.gamma(1.2, 4.0)
    pixels = np.asarray(image, np.float32)
    pixels = pixels + random.standard_normal(pixels.shape, np.float32) * np.float32(
        noise
    )
    if random.random() < 0.15:
        pixels = np.broadcast_to(pixels @ LUMA[:, None], pixels.shape)
    seen = np.clip(pixels, 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        file = io.BytesIO()
        Image.fromarray(seen).save(file, "JPEG", quality=int(random.integers(40, 96)))
        seen = np.asarray(Image.open(file).convert("RGB"))
    return seen
