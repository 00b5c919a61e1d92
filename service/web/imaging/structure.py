"""Walks over an image file's parts, before a decoder does.

Pillow's header readers go from part to part in Python, unpack compressed texts and copy
whatever a file says that it holds. Here what says nothing about the pixels is left out,
and the number of parts is bounded, so that to open a file is as cheap as to read it.
"""

import re
import struct
from collections.abc import Iterator

from service.errors import InvalidImage

MOST_PARTS = 16_384  # chunks, segments or blocks; 16 MB of a usual PNG are 2,000
MOST_SCANS = 64  # of a JPEG; encoders write about ten
MOST_TAGS = 512  # of a TIFF; cameras write some dozens
MOST_STRIPS = 65_536  # of a TIFF, or tiles
MOST_RUN_BYTES = 1 << 20  # of a BMP in runs, which Pillow expands in Python: 0.4 s

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"))

JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # ITU T.81, table B.1
JPEG_APP, JPEG_COMMENT, JPEG_SCAN, JPEG_END = range(0xE0, 0xF0), 0xFE, 0xDA, 0xD9
JPEG_KEPT = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xEE: b"Adobe"}  # the first of each
JPEG_BARE = (0x01, *range(0xD0, 0xD9))  # markers without a length

TIFF_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
TIFF_PIECES = (273, 279, 324, 325)  # offsets and lengths of strips and of tiles


def slim_png(data: bytes) -> bytes:
    """A PNG without texts, colour profiles and further frames.

    Raises:
        InvalidImage: More chunks than any encoder writes.
    """
    kept, at, start = [], 8, 0
    for _ in range(MOST_PARTS):
        length, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + length
        if end >= len(data) or name == b"IEND":
            kept.append(data[start:])
            return b"".join(kept) if start else data
        if name not in PNG_KEPT:
            kept.append(data[start:at])
            start = end
        at = end
    raise _too_many("PNG", "chunks", MOST_PARTS)


def slim_jpeg(data: bytes) -> tuple[bytes, int]:
    """A JPEG without previews, profiles and comments, and how many scans it has.

    Raises:
        InvalidImage: More segments than any encoder writes.
    """
    kept, at, wanted = [data[:2]], 2, dict(JPEG_KEPT)
    for _ in range(MOST_PARTS):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] in (b"\xff", b""):
            at += 1  # padding, or what Pillow reads over
            if at >= len(data):
                break
            continue
        marker = data[at + 1]
        end = at + 2
        if marker not in JPEG_BARE:
            end += int.from_bytes(data[end : end + 2])
        if marker in (JPEG_SCAN, JPEG_END):
            return b"".join([*kept, data[at:]]), 1 + _count_scans(data, end)
        drop = marker == JPEG_COMMENT or marker in JPEG_APP
        if drop and data.startswith(wanted.get(marker, b"\0none"), at + 4):
            drop = False
            del wanted[marker]
        if not drop:
            kept.append(data[at:end])
        at = end
    else:
        raise _too_many("JPEG", "segments", MOST_PARTS)
    return data, 1


def _count_scans(data: bytes, at: int) -> int:
    """The scans that begin after `at`, up to the end marker; what is too many, roughly.

    Telephones append a second of film after the end: bytes that can look like scans.
    """
    scans = 0
    for _ in range(MOST_PARTS):
        found = JPEG_MARKER.search(data, at)
        if found is None or found[0][1] == JPEG_END or scans > MOST_SCANS:
            return scans
        scans += found[0][1] == JPEG_SCAN
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2]))
    raise _too_many("JPEG", "segments", MOST_PARTS)


def check_gif(data: bytes) -> None:
    """See that a GIF's first frame comes after a bounded number of blocks.

    Raises:
        InvalidImage: More than any encoder writes.
    """
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    inside = False
    for _ in range(MOST_PARTS):
        if at >= len(data):
            return
        first = data[at]
        if inside:
            inside, at = first > 0, at + 1 + first
        elif first in b",;":
            return
        else:
            inside, at = first == 0x21, at + (2 if first == 0x21 else 1)
    raise _too_many("GIF", "blocks before its first frame", MOST_PARTS)


def check_tiff(data: bytes) -> None:
    """See that the first directory of a TIFF holds no more than the file does.

    Raises:
        InvalidImage: It says that it holds more, or in more pieces than is sensible.
    """
    order = "<" if data.startswith(b"II") else ">"
    total = 0
    for tag, kind, count in _tiff_tags(data, order):
        total += count * TIFF_SIZES.get(kind, 1)
        if tag in TIFF_PIECES and count > MOST_STRIPS:
            raise _too_many("TIFF", "strips or tiles", MOST_STRIPS)
        if total > len(data):
            raise InvalidImage(
                f"The TIFF image is damaged: expected tags of at most {len(data):,} "
                "bytes, as long as the file, received an announcement of more."
            )


def _tiff_tags(data: bytes, order: str) -> Iterator[tuple[int, int, int]]:
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (entries,) = struct.unpack_from(order + "H", data, start)
        if entries > MOST_TAGS:
            raise _too_many("TIFF", "tags", MOST_TAGS)
        for entry in range(entries):
            yield struct.unpack_from(order + "HHI", data, start + 2 + 12 * entry)
    except struct.error:
        return  # the decoder finds the words for it


def count_run_bytes(data: bytes) -> int:
    """How much of a BMP is expanded run by run: all or nothing.

    Raises:
        InvalidImage: More than is expanded in reasonable time.
    """
    in_runs = data[14:18] >= b"\x28" and data[30:34] in (b"\1\0\0\0", b"\2\0\0\0")
    if in_runs and len(data) > MOST_RUN_BYTES:
        raise InvalidImage(
            "The BMP image is compressed in runs: expected at most "
            f"{MOST_RUN_BYTES:,} bytes of such, received {len(data):,}. Send PNG."
        )
    return len(data) if in_runs else 0


def webp_size(data: bytes) -> tuple[int, int]:
    """The size in a WebP's header; (0, 0) where it has none (RFC 9649, 2.5 to 2.7)."""
    head = data[:30].ljust(30, b"\0")
    match head[12:16]:
        case b"VP8X":
            less_one = int.from_bytes(head[24:30], "little")
            return (less_one & 0xFFFFFF) + 1, (less_one >> 24) + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _too_many(kind: str, parts: str, most: int) -> InvalidImage:
    return InvalidImage(
        f"The {kind} image cannot be read: expected at most {most:,} {parts}, "
        "received more."
    )
