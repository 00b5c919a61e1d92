"""Image files of every kind, damaged in every way; `python -m` for many of them."""

import asyncio
import io
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from service.errors import ServeryError
from service.models.digits.picture import pack_picture
from service.models.photo.middle import read_middle
from service.settings import Settings
from service.web.imaging.pool import DecoderPool

HEIC = Path(__file__).parents[2] / "data" / "odd" / "heic.heic"


def originals() -> dict[str, bytes]:
    """One file of each kind and way to write it, by its name."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8))
    picture = picture.resize((160, 120))
    grey, clear = picture.convert("L"), picture.convert("RGBA")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 200)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    frames = {"save_all": True, "append_images": [picture.rotate(90)]}
    tiffs = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    wanted: list[tuple[str, str, Image.Image, dict[str, Any]]] = [
        ("png", "PNG", picture, {}), ("png-clear", "PNG", clear, {}),
        ("png-grey", "PNG", grey, {}), ("png-deep", "PNG", deep, {}),
        ("png-palette", "PNG", picture.convert("P"), {"transparency": 3}),
        ("apng", "PNG", picture, frames), ("jpeg", "JPEG", picture, {"exif": exif}),
        ("jpeg-progressive", "JPEG", picture, {"progressive": True}),
        ("jpeg-grey", "JPEG", grey, {}),
        ("jpeg-cmyk", "JPEG", picture.convert("CMYK"), {}),
        ("webp", "WEBP", picture, {"exif": exif}),
        ("webp-lossless", "WEBP", clear, {"lossless": True}),
        ("webp-animated", "WEBP", picture, frames),
        ("gif", "GIF", picture, {}), ("gif-animated", "GIF", picture, frames),
        ("bmp", "BMP", picture, {}), ("bmp-palette", "BMP", picture.convert("P"), {}),
        *((f"tiff-{how}", "TIFF", picture, {"compression": how}) for how in tiffs),
        ("tiff-fax", "TIFF", grey.convert("1"), {"compression": "group4"}),
        ("tiff-deep", "TIFF", deep, {}), ("tiff-pages", "TIFF", picture, frames),
        ("avif", "AVIF", picture, {"exif": exif}), ("avif-clear", "AVIF", clear, {}),
    ]  # fmt: skip
    files = {"heic": HEIC.read_bytes()}
    for name, kind, image, how in wanted:
        file = io.BytesIO()
        image.save(file, kind, **how)
        files[name] = file.getvalue()
    return files


def mutated(rng: np.random.Generator, data: bytes) -> bytes:
    """`data`, damaged once or several times, mostly near its beginning."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if len(damaged) < 32:
            return bytes(damaged)
        reach = len(damaged) if rng.random() < 0.5 else min(len(damaged), 300)
        at, other = (int(each) for each in rng.integers(0, reach, 2))
        size = int(rng.integers(1, 40))
        match int(rng.integers(0, 8)):
            case 0:
                damaged[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                damaged[at : at + size] = rng.bytes(size)
            case 2:  # a number that is as large or as small as can be
                width = int(rng.choice([1, 2, 4]))
                number = rng.choice([b"\xff", b"\0", b"\x7f"])
                damaged[at : at + width] = bytes(number) * width
            case 3:
                del damaged[at:]
            case 4:
                del damaged[at : at + size]
            case 5:
                damaged[at:at] = damaged[other : other + size]
            case 6:
                damaged[at:at] = damaged[at : at + size] * int(rng.integers(1, 200))
            case 7:
                part = damaged[at : at + size]
                damaged[at : at + size] = damaged[other : other + size]
                damaged[other : other + size] = part
    return bytes(damaged)


def cases(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damaged files and the names of those that they were made of."""
    rng, files = np.random.default_rng(seed), [*originals().items()]
    for number in range(count):
        name, data = files[number % len(files)]
        yield name, mutated(rng, data)


async def try_all(count: int, seed: int) -> Counter[str]:
    """Have the decoders of the service read damaged files.

    Returns:
        How often each outcome was seen: `read`, an error's code, `crashed`, `slow` for
        what took over a second of its process, with the name of the file.
    """
    pool = DecoderPool(Settings(max_image_pixels=4_000_000))
    pool.start()
    outcomes: Counter[str] = Counter()
    try:
        for number, (name, data) in enumerate(cases(count, seed)):
            read = pack_picture if number % 5 == 0 else read_middle
            pids, began = pool.pids, _cpu_seconds(pool.pids)
            try:
                await pool.read([data], read, time.monotonic() + 60)
                outcome = "read"
            except ServeryError as error:
                outcome = error.code
                if "survives" in error.message or error.code == "internal":
                    outcome = f"crashed {name}"
            outcomes[outcome] += 1
            if pids == pool.pids and _cpu_seconds(pids) - began > 1:
                outcomes[f"slow {name}"] += 1
    finally:
        pool.close()
    return outcomes


def _cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


if __name__ == "__main__":
    print(asyncio.run(try_all(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
