"""Pictures for people of what a generator draws and how it learnt: arrays → bytes.

Clothing is drawn as Fashion-MNIST has it, light on black.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from training.plots.classification import encode

Images = npt.NDArray[np.uint8]

PLAYERS = ("generator", "discriminator")
_NAMES_WIDTH = 84
_GAP = 4
_TEXT_SIZE = 13
_BACKGROUND, _TEXT = 24, 230  # of 255
_GREYS = np.uint8(0xF8)  # 32 of them halve a GIF, and the eye sees no difference
_FRAME_MS, _LAST_FRAME_MS = 160, 2_000


def draw_grid(images: Images, categories: Sequence[str], *, scale: int = 2) -> bytes:
    """Draw a contact sheet, a row for each category with its name before it.

    Args:
        images: (categories, columns, height, width) uint8, 0 = background.
        categories: the name of each row.
        scale: drawn pixels to a pixel, along each axis.

    Returns:
        PNG bytes.
    """
    file = io.BytesIO()
    _lay_out(images, categories, scale, "").save(file, format="png", optimize=True)
    return file.getvalue()


def draw_epochs(
    frames: Mapping[int, Images], categories: Sequence[str], *, scale: int = 2
) -> bytes:
    """Animate what the same latents became from epoch to epoch.

    Args:
        frames: epoch → (categories, columns, height, width) uint8, in order.
        categories: the name of each row.
        scale: drawn pixels to a pixel, along each axis.

    Returns:
        Bytes of a GIF that repeats without end and rests on the last epoch.
    """
    sheets = [
        _lay_out(images & _GREYS, categories, scale, f"epoch {epoch}")
        for epoch, images in frames.items()
    ]
    file = io.BytesIO()
    sheets[0].save(
        file,
        format="gif",
        save_all=True,
        append_images=sheets[1:],
        duration=[_FRAME_MS] * (len(sheets) - 1) + [_LAST_FRAME_MS],
        loop=0,
    )
    return file.getvalue()


def draw_players(history: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the losses of both players over the epochs, and beside them whatever else.

    Args:
        history: name → value at each epoch. `generator` and `discriminator` are drawn
            together; each other series has a plot of its own.

    Returns:
        PNG bytes.
    """
    others = [name for name in history if name not in PLAYERS]
    plots = {"loss of each player": PLAYERS} | {name: (name,) for name in others}
    figure = Figure(figsize=(4.6 * len(plots), 3.4), layout="constrained")
    grid = figure.subplots(1, len(plots), squeeze=False)
    for axes, (title, series) in zip(grid.flat, plots.items(), strict=True):
        for name in series:
            values = history[name]
            axes.plot(range(1, len(values) + 1), values, label=name)
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if len(series) > 1:
            axes.legend()
    return encode(figure)


def _lay_out(
    images: Images, categories: Sequence[str], scale: int, caption: str
) -> Image.Image:
    rows, columns, height, width = images.shape
    step_y, step_x = height * scale + _GAP, width * scale + _GAP
    top = _GAP + (_TEXT_SIZE + 2 * _GAP if caption else 0)
    size = (_NAMES_WIDTH + columns * step_x, top + rows * step_y)
    sheet = Image.new("L", size, _BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT_SIZE)
    pen.text((2 * _GAP, _GAP), caption, fill=_TEXT, font=font)
    for row, category in enumerate(categories):
        y = top + row * step_y
        middle = (2 * _GAP, y + height * scale // 2)
        pen.text(middle, category, fill=_TEXT, font=font, anchor="lm")
        for column in range(columns):
            drawn = Image.fromarray(images[row, column])
            drawn = drawn.resize(
                (width * scale, height * scale), Image.Resampling.NEAREST
            )
            sheet.paste(drawn, (_NAMES_WIDTH + column * step_x, y))
    return sheet
