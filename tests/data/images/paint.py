"""Ink, paper and light: how the pictures in this folder are painted."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).parent
SIDE = 448
PHOTO = (420, 560)  # height, width

# Each digit as strokes through points in a unit square, x to the right, y down.
PEN = {
    0: [".5 .02 .25 .1 .14 .4 .2 .75 .42 .97 .68 .9 .84 .6 .8 .25 .62 .06 .47 .03"],
    1: [".45 .12 .55 .02 .53 .5 .5 .98"],
    2: [".16 .24 .32 .05 .58 .02 .76 .2 .66 .46 .4 .74 .14 .95 .5 .92 .88 .96"],
    3: [".2 .1 .5 .01 .75 .14 .68 .36 .42 .46 .7 .54 .8 .76 .58 .96 .18 .9"],
    4: [".4 .03 .3 .3 .14 .6 .5 .62 .86 .58", ".64 .34 .62 .7 .6 .98"],
    5: [
        ".3 .06 .26 .42 .56 .38 .78 .58 .72 .86 .46 .98 .18 .88",
        ".3 .06 .55 .05 .82 .02",
    ],
    6: [".68 .02 .4 .24 .22 .6 .3 .9 .56 .98 .76 .8 .66 .58 .42 .58 .25 .76"],
    7: [".14 .1 .5 .08 .82 .04 .68 .36 .5 .68 .4 .98"],
    8: [
        ".72 .14 .46 .02 .28 .2 .46 .42 .7 .62 .74 .86 .5 .98 .28 .84 .4 .58 "
        ".66 .38 .74 .15"
    ],
    9: [".72 .2 .5 .03 .26 .2 .34 .44 .6 .42 .73 .2 .72 .5 .66 .78 .58 .98"],
}


def drawn(digit: int, pen: float) -> np.ndarray:
    """A digit drawn with a round pen so many pixels wide: float (448, 448), 1 = ink."""
    image = Image.new("L", (2 * SIDE, 2 * SIDE))
    draw = ImageDraw.Draw(image)
    for stroke in PEN[digit]:
        points = np.array(stroke.split(), float).reshape(-1, 2)
        for x, y in 2 * (40 + (SIDE - 80) * _smooth_curve(points)):
            draw.ellipse([x - pen, y - pen, x + pen, y + pen], 255)
    return np.asarray(image.reduce(2), np.float32) / 255


def _smooth_curve(points: np.ndarray) -> np.ndarray:
    """Catmull and Rom's spline through the points, (n, 2), in small steps."""
    p = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 120)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate(pieces)


def mnist(digit: int, nth: int = 0) -> np.ndarray:
    """A digit of MNIST's test set: uint8 (28, 28)."""
    with np.load(HERE.parent / "mnist_sample.npz") as sample:
        found = sample["images"][sample["labels"] == digit]
    chosen: np.ndarray = found[nth]
    return chosen


def outlined(grey: np.ndarray) -> np.ndarray:
    """MNIST's digit with the outline it had before it was made small: (448, 448)."""
    large = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    soft = np.asarray(large.filter(ImageFilter.GaussianBlur(5)), np.float32)
    return np.clip((soft - 115) / 25 + 0.5, 0, 1)


def placed(
    ink: np.ndarray,
    part: float,
    at: tuple[float, float],
    *,
    turn: float = 0,
    lean: float = 0,
    size: tuple[int, int] = PHOTO,
) -> np.ndarray:
    """Ink on a sheet: its height a part of the sheet's, its centre at (y, x) of it."""
    height, width = size
    side = round(part * height)
    patch = Image.fromarray((ink * 255).astype(np.uint8)).rotate(
        turn, Image.Resampling.BICUBIC
    )
    keystone = (1, lean, 0, 0, 1 + lean, 0, 0, lean / SIDE)
    patch = patch.transform(
        patch.size, Image.Transform.PERSPECTIVE, keystone, Image.Resampling.BICUBIC
    )
    sheet = Image.new("L", (width, height))
    sheet.paste(
        patch.resize((side, side), Image.Resampling.BOX),
        (round(at[1] * width - side / 2), round(at[0] * height - side / 2)),
    )
    return np.asarray(sheet, np.float32) / 255


def field(rng: np.random.Generator, size: tuple[int, int], grain: int) -> np.ndarray:
    """Smooth noise, float (height, width), mean 0, spread 1."""
    coarse = Image.fromarray(rng.normal(size=(grain, grain)).astype(np.float32))
    return np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))


def lit(kind: str) -> np.ndarray:
    """How much light falls on each point of a photo: float (height, width)."""
    y, x = np.mgrid[0 : 1 : PHOTO[0] * 1j, 0 : 1 : PHOTO[1] * 1j]
    light = {
        "even": 0.97 + 0 * x,
        "gradient": 0.35 + 0.65 * (0.7 * x + 0.3 * y),
        "shadow": 1
        - 0.5 / (1 + np.exp((0.75 * x + y - 0.85 + 0.04 * np.sin(9 * x)) / 0.012)),
        "lamp": 1 - 0.6 * ((2 * x - 1) ** 2 + (2 * y - 1) ** 2) / 2,
    }
    chosen: np.ndarray = light[kind].astype(np.float32)
    return chosen


def photo(
    rng: np.random.Generator,
    reflectance: np.ndarray,
    light: str = "gradient",
    *,
    noise: float = 3,
    blur: float = 0.7,
    white: float = 230,
) -> Image.Image:
    """What a telephone sees of a sheet: reflectance (height, width[, 3]), 1 = white."""
    grain = 1 + 0.015 * field(rng, PHOTO, 8) + 0.012 * field(rng, PHOTO, PHOTO[0] // 2)
    seen = (lit(light) * grain).reshape(
        *PHOTO, *[1] * (reflectance.ndim - 2)
    ) * reflectance
    sharp = Image.fromarray(np.clip(seen * white, 0, 255).astype(np.uint8))
    soft = np.asarray(sharp.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    soft += rng.normal(0, noise, PHOTO).reshape(*PHOTO, *[1] * (reflectance.ndim - 2))
    return Image.fromarray(np.clip(soft, 0, 255).astype(np.uint8))


def on_paper(ink: np.ndarray, darkness: float = 0.8) -> np.ndarray:
    """The reflectance of white paper with ink on it."""
    return 1 - darkness * ink


def coloured(
    ink: np.ndarray, pen: tuple[int, ...], paper: tuple[int, ...]
) -> np.ndarray:
    """The reflectance of coloured paper with coloured ink on it, (height, width, 3)."""
    share = ink[..., None]
    mixed: np.ndarray = (share * np.array(pen) + (1 - share) * np.array(paper)) / 255
    return mixed


def ruled(gap: float, *, across: bool = False) -> np.ndarray:
    """The reflectance of ruled paper, slightly askew."""
    y, x = np.mgrid[0 : PHOTO[0], 0 : PHOTO[1]]
    off = (y + 0.03 * x) % gap < 2
    lines = off | ((x - 0.03 * y) % gap < 2) if across else off
    return np.where(lines, 0.7, 1.0)


def on_table(rng: np.random.Generator, sheet: np.ndarray) -> np.ndarray:
    """A sheet that does not fill the picture: a dark table shows at two sides."""
    y, x = np.mgrid[0 : PHOTO[0], 0 : PHOTO[1]]
    wood = 0.3 + 0.04 * field(rng, PHOTO, 30)
    return np.where((x < 70 + 0.08 * y) | (y > 370 - 0.04 * x), wood, sheet)


def specks(rng: np.random.Generator) -> np.ndarray:
    image = Image.new("L", PHOTO[::-1])
    draw = ImageDraw.Draw(image)
    for x, y, radius in rng.uniform((0, 0, 1), (*PHOTO[::-1], 3), (25, 3)):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], 230)
    return np.asarray(image, np.float32) / 255


def tight(paper: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero((paper < 128).any(axis=1))
    columns = np.flatnonzero((paper < 128).any(axis=0))
    return paper[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def jpeg(image: Image.Image, quality: int = 70, **options: object) -> bytes:
    return encoded(image, "JPEG", quality=quality, **options)


def encoded(
    image: Image.Image | np.ndarray, kind: str = "PNG", **options: object
) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
