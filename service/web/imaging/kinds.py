"""What kind of file it is, by its first bytes; and a name for what is no image."""

from service.errors import InvalidImage

EXPECTED = "a JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF image"

KINDS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)

# Boxes of ISO/IEC 14496-12: the brands of AVIF (AV1 Image File Format, 1.1) and of HEIF
# coded as HEVC (ISO/IEC 23008-12). `mif1` and `msf1` say only that it is a picture.
AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
PICTURE_BRANDS = (b"mif1", b"msf1", b"miaf")

# Kinds that people do send and that we do not read, so that the answer can name them.
UNREAD = (
    (0, b"%PDF", "a PDF document"),
    (0, b"II+\0", "a BigTIFF image"),
    (0, b"MM\0+", "a BigTIFF image"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"OggS", "an Ogg file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"RIFF", "a RIFF file that is no WebP"),
    (4, b"ftyp", "a video or another file in ISO boxes"),
    (4, b"moov", "a QuickTime video"),
    (0, b"data:", "a data: URL"),
)
TEXTS = (
    ("<svg", "an SVG drawing"),
    ("<html", "an HTML document"),
    ("<!doctype html", "an HTML document"),
    ("<?xml", "an XML document"),
)


def kind_of(data: bytes) -> str:
    """The name of the format: JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF.

    Raises:
        InvalidImage: None of these; the message says what came instead.
    """
    for signature, kind in KINDS:
        if data.startswith(signature):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        if not brands.isdisjoint(AVIF_BRANDS):
            return "AVIF"
        if not brands.isdisjoint(HEIC_BRANDS + PICTURE_BRANDS):
            return "HEIC"
    raise InvalidImage(
        f"The image cannot be read: expected {EXPECTED}, received {describe(data)}."
    )


def _brands(data: bytes) -> set[bytes]:
    """The major brand and the compatible ones, of which a few dozen are looked at."""
    end = min(int.from_bytes(data[:4]), 256)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}


def describe(data: bytes) -> str:
    """What bytes are that were expected to be something else."""
    if not data:
        return "0 bytes"
    for signature, kind in KINDS:
        if data.startswith(signature):
            return f"a {kind} image"
    for offset, signature, name in UNREAD:
        if data.startswith(signature, offset):
            return name
    text = _text(data)
    if text is None:
        return f"{len(data):,} bytes that begin with {data[:8].hex(' ')}"
    lower = text.lower()
    for opening, name in TEXTS:
        if opening in lower:
            return name
    return f"{len(data):,} bytes of text that begin with {text[:24]!r}"


def _text(data: bytes) -> str | None:
    """The beginning of what reads as a text, whichever way it is encoded; else None."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = data[:1024].decode("utf-16" if wide else "utf-8-sig", "replace").strip()
    odd = sum(not (each.isprintable() or each.isspace()) for each in text)
    odd += text.count("\ufffd")
    return text if text and odd <= len(text) // 16 else None
