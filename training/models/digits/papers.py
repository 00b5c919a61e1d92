"""What a digit is written on and seen by: papers, prints, marks, shadows, cameras.

All functions change float32 (height, width, 3) pictures, 0 to 255, or give masks,
float32 (height, width), 0 to 1. Sizes are in pixels of the finder's picture.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from training.models.digits.strokes import FONTS, letter

Picture = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Random = np.random.Generator

WHITE, CREAM = (236, 236, 236), (238, 229, 202)
PASTELS = ((240, 205, 215), (205, 232, 210), (205, 220, 240), (245, 238, 160))
STRONG = ((45, 195, 160), (250, 180, 60), (240, 120, 140), (120, 170, 220))
BOARDS = ((30, 30, 32), (28, 62, 48), (30, 44, 80), (70, 70, 74), (12, 12, 12))
PENS = ((35, 45, 110), (30, 30, 34), (60, 60, 66), (180, 35, 40), (25, 95, 50))


def field(random: Random, shape: tuple[int, int], cells: int) -> Mask:
    """Something that changes smoothly over the picture, 0 to 1, in so many waves."""
    grid = random.random((cells + 1, cells + 1), np.float32)
    smooth = Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC)
    clipped: Mask = np.clip(np.asarray(smooth), 0, 1)
    return clipped


def draw_lines(shape: tuple[int, int], lines: npt.ArrayLike, width: float) -> Mask:
    """Straight lines, (lines, 2, 2) of x and y, with smooth outlines."""
    picture = Image.new("L", (shape[1] * 2, shape[0] * 2))
    brush = ImageDraw.Draw(picture)
    for line in np.asarray(lines, np.float32):
        brush.line([*(2 * line).ravel()], 255, max(1, round(2 * width)))
    # A line thinner than the finest that can be drawn is as much fainter.
    return _mask(picture) * np.float32(min(1, 2 * width))


def draw_area(shape: tuple[int, int], outline: npt.ArrayLike) -> Mask:
    """A polygon, (corners, 2) of x and y, filled."""
    picture = Image.new("L", (shape[1] * 2, shape[0] * 2))
    ImageDraw.Draw(picture).polygon([*(2 * np.asarray(outline)).ravel()], 255)
    return _mask(picture)


def _mask(picture: Image.Image) -> Mask:
    return np.asarray(picture.reduce(2), np.float32) / np.float32(255)


def paint(picture: Picture, mask: Mask, colour: npt.ArrayLike) -> None:
    """Cover what the mask shows with a colour."""
    picture += mask[..., None] * (np.asarray(colour, np.float32) - picture)


def shade(picture: Picture, light: Mask) -> None:
    """Give each pixel only its share of the light."""
    picture *= light[..., None]


def make_paper(random: Random, shape: tuple[int, int]) -> Picture:
    """A sheet or a board."""
    kind = random.random()
    palette = (
        (WHITE,)
        if kind < 0.45
        else (CREAM,)
        if kind < 0.62
        else PASTELS
        if kind < 0.74
        else STRONG
        if kind < 0.88
        else BOARDS
    )
    colour = np.array(palette[random.integers(len(palette))], np.float32)
    colour = np.clip(
        colour * random.uniform(0.85, 1.08) + random.normal(0, 6, 3), 0, 255
    )
    picture = np.broadcast_to(colour, (*shape, 3)).astype(np.float32)
    grain = field(random, shape, int(random.integers(3, 30))) - 0.5
    picture += grain[..., None] * np.float32(random.uniform(0, 22))
    return picture


def choose_ink(
    random: Random, paper: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """A colour that can be told from the paper's, float32 (3,)."""
    bright = paper.mean() < 110
    while True:
        if bright:
            colour = 255 - random.gamma(1.5, 18, 3)
        elif random.random() < 0.75:
            colour = np.array(PENS[random.integers(len(PENS))]) + random.normal(
                0, 14, 3
            )
        else:
            colour = random.uniform(0, 255, 3)
        ink = np.clip(colour, 0, 255).astype(np.float32)
        if np.abs(ink - paper).max() > 55:
            return ink


def print_ruling(
    random: Random, shape: tuple[int, int], pitch: float, kind: str
) -> Mask:
    """Lines, squares, dots or text that was on the paper before.

    Args:
        random: decides how.
        shape: of the picture.
        pitch: from line to line, pixels.
        kind: "lines", "squares", "dots" or "text".
    """
    height, width = shape
    if kind == "text":
        return _print_text(random, shape, pitch)
    reach = float(height + width)
    lean = np.radians(random.normal(0, 2.5))
    across = np.array([np.cos(lean), np.sin(lean)])
    down = np.array([-across[1], across[0]])
    start = random.uniform(0, pitch)
    steps = np.arange(start - reach, reach, pitch)[:, None]
    thick = random.uniform(0.3, 1.3)
    rows = np.stack([down * steps - across * reach, down * steps + across * reach], 1)
    if kind == "lines":
        margin = [] if random.random() < 0.6 else [_upright(random, shape)]
        return draw_lines(shape, [*rows, *margin], thick)
    columns = np.stack(
        [across * steps - down * reach, across * steps + down * reach], 1
    )
    rows_mask = draw_lines(shape, rows, thick)
    columns_mask = draw_lines(shape, columns, thick)
    if kind == "dots":
        return rows_mask * columns_mask
    if random.random() < 0.4:  # every fourth line is stronger, or a sudoku's third
        strong = draw_lines(shape, [*rows[::3], *columns[::3]], thick + 1)
        return np.maximum(np.maximum(rows_mask, columns_mask), strong)
    return np.maximum(rows_mask, columns_mask)


def _upright(random: Random, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    x = random.uniform(0, shape[1])
    return np.array([[x, -9.0], [x, shape[0] + 9.0]])


def _print_text(random: Random, shape: tuple[int, int], pitch: float) -> Mask:
    """Lines of letters, or where letters are too small to be seen, of dashes."""
    height, width = shape
    picture = Image.new("L", (width * 2, height * 2))
    brush = ImageDraw.Draw(picture)
    size, left = pitch * random.uniform(0.35, 0.6), random.uniform(0, 0.12) * width
    dashes, font = size < 3.5 or random.random() < 0.5, str(random.choice(FONTS))
    thick = max(1, round(2 * size * random.uniform(0.12, 0.5 if dashes else 0.2)))
    slope = random.normal(0, 0.02)
    for y in np.arange(random.uniform(0, pitch), height + pitch, pitch):
        x = left
        while x < width * random.uniform(0.85, 1.1):
            word = size * random.gamma(4, 0.8)
            if dashes:
                ends = [x, y + slope * x, x + word, y + slope * (x + word)]
                brush.line([2 * v for v in ends], 255, thick)
            else:
                for at in np.arange(x, x + word, size * 0.8):
                    glyph = letter(
                        chr(random.choice([*range(65, 91), *range(97, 123)])), font
                    )
                    places = (glyph.points * size + (at, y + slope * at)) * 2
                    for edge in places[glyph.edges]:
                        brush.line([*edge.ravel()], 255, thick)
            x += word + size * random.uniform(0.5, 1.2)
    return _mask(picture)


def blur(mask: Mask, radius: float) -> Mask:
    """Gaussian, of a mask."""
    picture = Image.fromarray(np.clip(mask * 255, 0, 255).astype(np.uint8))
    blurred = picture.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, np.float32) / np.float32(255)
