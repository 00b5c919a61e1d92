"""Draws the pictures in this folder, the same every time.

    python -m tests.data.images.make

Digits are drawn with a pen of any width, or are MNIST's own, enlarged. Each file is
called <family>-<digit>-<what is special>; a `blank` has no digit.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from tests.data.images.paint import (
    HERE,
    PHOTO,
    coloured,
    drawn,
    encoded,
    jpeg,
    mnist,
    on_paper,
    on_table,
    outlined,
    photo,
    placed,
    ruled,
    specks,
    tight,
)


def photos(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """What a telephone's camera sees."""
    middle = (0.48, 0.55)

    def pen(
        digit: int,
        width: float = 14,
        part: float = 0.6,
        at: tuple[float, float] = middle,
        turn: float = 0,
        lean: float = 0,
    ) -> np.ndarray:
        return placed(drawn(digit, width), part, at, turn=turn, lean=lean)

    def shot(sheet: np.ndarray, light: str = "gradient", **how: float) -> bytes:
        return jpeg(photo(rng, sheet, light, **how))

    yield "photo-3-plain.jpg", shot(on_paper(pen(3)), "even")
    yield "photo-2-gradient.jpg", shot(on_paper(pen(2)))
    yield "photo-7-shadow.jpg", shot(on_paper(pen(7)), "shadow")
    yield "photo-1-lamp.jpg", shot(on_paper(pen(1)), "lamp")
    yield "photo-1-tilted.jpg", shot(on_paper(pen(1, turn=10, lean=0.25)))
    yield "photo-4-turned.jpg", shot(on_paper(pen(4, turn=9, lean=-0.15)), "shadow")
    yield "photo-5-ruled.jpg", shot(on_paper(pen(5)) * ruled(38))
    yield "photo-8-squared.jpg", shot(on_paper(pen(8)) * ruled(30, across=True))
    yield "photo-4-table.jpg", shot(on_table(rng, on_paper(pen(4))))
    yield (
        "photo-6-pencil.jpg",
        shot(on_paper(pen(6, 9) * rng.uniform(0.7, 1, PHOTO), 0.35)),
    )
    yield "photo-9-thin-pen.jpg", shot(on_paper(pen(9, 5), 0.7))
    yield (
        "photo-0-felt-pen.jpg",
        shot(on_paper(placed(outlined(mnist(0)), 0.7, middle))),
    )
    yield "photo-8-marker.jpg", shot(on_paper(pen(8, 42), 0.9))
    yield "photo-3-dark-room.jpg", shot(on_paper(pen(3)), noise=6, white=70)
    yield (
        "photo-5-grainy.jpg",
        shot(on_paper(placed(outlined(mnist(5)), 0.6, middle)), noise=16),
    )
    yield "photo-2-blurred.jpg", shot(on_paper(pen(2)), blur=3.5)
    yield "photo-7-small.jpg", shot(on_paper(pen(7, 24, 0.14, (0.8, 0.2))))
    yield "photo-9-specks.jpg", shot(on_paper(np.maximum(pen(9), specks(rng))))
    yield "photo-6-blackboard.jpg", shot(0.15 + 0.55 * pen(6, 18))
    yield "photo-0-grey-paper.jpg", shot(0.45 * on_paper(pen(0)), "shadow")
    yield (
        "photo-6-red-on-green.jpg",
        shot(coloured(pen(6), (200, 60, 60), (110, 150, 110)), "even"),
    )
    yield (
        "photo-4-yellow-on-white.jpg",
        shot(coloured(pen(4), (240, 220, 40), (252, 252, 252))),
    )
    yield (
        "photo-5-white-on-blue.jpg",
        shot(coloured(pen(5), (250, 250, 250), (30, 60, 140))),
    )

    on_its_side = photo(rng, on_paper(pen(7))).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "photo-7-exif-rotated.jpg", jpeg(on_its_side, exif=exif)
    blue = photo(rng, coloured(pen(2), (30, 40, 160), (250, 250, 245)), "even")
    yield "photo-2-cmyk.jpg", jpeg(blue.convert("CMYK"), 60)
    yield (
        "photo-8-page.webp",
        encoded(photo(rng, on_paper(pen(8)), "lamp"), "WEBP", quality=60),
    )
    yield "blank-paper.jpg", shot(on_paper(0 * pen(0)), "gradient")
    yield "blank-vignette.jpg", shot(on_paper(0 * pen(0)), "lamp", noise=8)


def drawings(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """What a canvas, a scanner or a screen gives."""

    def canvas(digit: int, width: float = 24, part: float = 0.7) -> np.ndarray:
        ink = placed(drawn(digit, width), part, (0.55, 0.46), size=(280, 280))
        return (ink * 255).astype(np.uint8)

    def clear(ink: np.ndarray, level: int) -> bytes:
        return encoded(np.dstack([np.full((*ink.shape, 3), level, np.uint8), ink]))

    yield "canvas-0-brush.png", encoded(255 - canvas(0))
    yield "canvas-1-white-on-black.png", encoded(canvas(1))
    yield "canvas-2-clear-black-ink.png", clear(canvas(2), 0)
    yield "canvas-3-clear-white-ink.png", clear(canvas(3), 255)
    yield "canvas-4-thin-pen.png", encoded(255 - canvas(4, 2.5))
    yield "canvas-5-thick-brush.png", encoded(255 - canvas(5, 52, 0.9))
    yield "canvas-6-palette.png", encoded(Image.fromarray(255 - canvas(6)).quantize(8))
    frames = [Image.fromarray(255 - canvas(each)) for each in (7, 1, 2)]
    yield (
        "canvas-7-animated.gif",
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
    )
    yield "canvas-8-cropped.png", encoded(tight(255 - canvas(8, 30, 0.9)))
    yield "canvas-9-poor.jpg", jpeg(Image.fromarray(255 - canvas(9)), 12)

    window = Image.new("RGB", (500, 400), (238, 238, 242))
    draw = ImageDraw.Draw(window)
    draw.rectangle([90, 50, 410, 350], (255, 255, 255), (60, 60, 60), 2)
    window.paste((20, 20, 60), (110, 60), Image.fromarray(canvas(8, 16)))
    yield "screenshot-8-window.png", encoded(window)

    deep = 65535 - canvas(9).astype(np.uint16) * 180
    yield "scan-9-sixteen-bits.png", encoded(deep)
    yield (
        "scan-0-one-bit.png",
        encoded(Image.fromarray(255 - canvas(0, 16)).convert("1")),
    )
    yield "mnist-5-as-it-is.png", encoded(mnist(5))
    yield "mnist-2-negative.png", encoded(255 - mnist(2))
    yield "mnist-4-shifted.png", encoded(np.roll(mnist(4), (-3, 2), (0, 1)))
    large = Image.fromarray(255 - mnist(6)).resize((196, 196), Image.Resampling.NEAREST)
    yield "mnist-6-enlarged.png", encoded(large)
    yield "blank-white.png", encoded(np.full((280, 280), 255, np.uint8))
    yield "blank-clear.png", encoded(np.zeros((280, 280, 4), np.uint8))
    yield (
        "blank-faint.png",
        encoded(rng.integers(240, 256, (120, 120)).astype(np.uint8)),
    )
    steep = np.linspace(0, 255, 280)[:, None].repeat(280, axis=1)
    yield "blank-gradient.png", encoded(steep.astype(np.uint8))


if __name__ == "__main__":
    for make, seed in ((photos, 1), (drawings, 2)):
        for name, data in make(np.random.default_rng(seed)):
            (HERE / name).write_bytes(data)
