"""Bytes of an image to pixels: every kind, every limit, every damage."""

import io
import struct
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.errors import ImageTooLarge, InvalidImage
from service.web.imaging.decode import read_drawing, read_photo, read_plain
from service.web.imaging.files import open_image

ODD = Path(__file__).parents[2] / "data" / "odd"
PLENTY = 1_000_000
INK = np.kron(np.eye(4, dtype=np.uint8), np.full((8, 8), 255, np.uint8))  # (32, 32)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, kind, **how)
    return file.getvalue()


def read(data: bytes, *, max_pixels: int = PLENTY, long_side: int = 400) -> np.ndarray:
    return read_drawing(data, max_pixels=max_pixels, long_side=long_side)


def noise(height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and brings hardly a pixel."""
    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b"")


def jpeg_header(width: int, height: int) -> bytes:
    data = encoded(noise(), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def gif_header(width: int, height: int) -> bytes:
    data = encoded(INK, "GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def gif_frame(width: int, height: int) -> bytes:
    """A GIF whose frame is larger than the screen that its header announces."""
    data = encoded(INK, "GIF")
    at = data.index(b"\x2c\0\0\0\0") + 5
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def webp_header(width: int, height: int) -> bytes:
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_lossless_header(width: int, height: int) -> bytes:
    size = struct.pack("<I", (width - 1) | (height - 1) << 14)
    body = b"WEBPVP8L" + struct.pack("<I", 5) + b"\x2f" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_lossy_header(width: int, height: int) -> bytes:
    data = encoded(noise(), "WEBP")
    at = data.index(b"\x9d\x01\x2a") + 3
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.fromarray(INK), id="grey"),
        pytest.param(Image.fromarray(INK).convert("1"), id="one bit"),
        pytest.param(Image.fromarray(INK).convert("P"), id="palette"),
        pytest.param(Image.fromarray(INK).convert("RGB"), id="colour"),
        pytest.param(Image.fromarray(INK).convert("LA"), id="grey and opaque"),
        pytest.param(Image.fromarray(INK).convert("RGBA"), id="colour and opaque"),
        pytest.param(Image.fromarray(INK.astype(np.uint16) * 257), id="16 bits"),
    ],
)
def test_every_mode_of_png_brings_the_same_pixels(image: Image.Image) -> None:
    pixels = read(encoded(image))
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels if pixels.ndim == 2 else pixels[..., 0], INK)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    pixels = read(encoded(ramp))
    assert np.abs(pixels - ramp / 257).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_every_format_is_read(kind: str) -> None:
    pixels = read(encoded(INK, kind))
    assert pixels.shape[:2] == (32, 32)
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    assert np.abs(grey.astype(int) - INK).mean() < 12


def test_cmyk_jpeg_comes_in_its_colours() -> None:
    red = Image.new("RGB", (64, 64), (200, 30, 30))
    data = encoded(red.convert("CMYK"), "JPEG", quality=95)
    assert np.allclose(read(data)[32, 32], (200, 30, 30), atol=12)


def test_first_frame_of_an_animation_is_read() -> None:
    frames = [Image.fromarray(INK), Image.fromarray(255 - INK)]
    for kind in ("GIF", "PNG", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        pixels = read(data)
        first = pixels if pixels.ndim == 2 else pixels[..., 0]
        assert np.abs(first.astype(int) - INK).mean() < 12, kind


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    corner = np.full((40, 60), 255, np.uint8)
    corner[:10, :20] = 0  # black at the top left, when upright
    stored = {
        1: corner,
        2: corner[:, ::-1],
        3: corner[::-1, ::-1],
        4: corner[::-1],
        5: corner.T,
        6: corner.T[::-1],
        7: corner.T[::-1, ::-1],
        8: corner.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read(encoded(np.ascontiguousarray(stored), kind, exif=exif))
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    assert np.abs(grey.astype(int) - corner).mean() < 5


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
    ],
    ids=["empty", "no header", "entries missing", "offset beyond the end"],
)
def test_damaged_exif_does_not_matter(exif: bytes) -> None:
    assert read(encoded(INK, "JPEG", exif=exif)).shape == (32, 32)


@pytest.mark.parametrize(
    ("ink", "paper"), [(0, 255), (255, 0), (100, 255)], ids=["black", "white", "grey"]
)
def test_lone_ink_gets_a_backdrop_that_shows_it(ink: int, paper: int) -> None:
    drawing = np.dstack([np.full((32, 32, 3), ink, np.uint8), INK])
    pixels = read(encoded(drawing))[..., 0]
    assert (pixels[INK == 255] == ink).all()
    assert (pixels[INK == 0] == paper).all()


def test_transparent_corners_of_a_page_take_its_colour() -> None:
    page = np.full((40, 40, 4), 255, np.uint8)
    page[15:25, 15:25, :3] = 0
    page[:6, :6, 3] = 0
    pixels = read(encoded(page))[..., 0]
    assert pixels[0, 0] > 200


def test_transparent_colour_of_a_palette_is_seen() -> None:
    image = Image.fromarray(INK).convert("P")
    pixels = read(encoded(image, transparency=0))
    assert pixels.shape[:2] == (32, 32)
    photo = read_photo(encoded(image, transparency=0), max_pixels=PLENTY, short_side=32)
    assert photo.getpixel((31, 0)) == (255, 255, 255)


def test_wholly_transparent_image_is_blank() -> None:
    assert (read(encoded(np.zeros((20, 20, 4), np.uint8))) == 255).all()


def test_photo_is_colour_and_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise(48, 64), "JPEG", exif=exif)
    photo = read_photo(data, max_pixels=PLENTY, short_side=10_000)
    assert (photo.mode, photo.size) == ("RGB", (48, 64))


@pytest.mark.parametrize(
    ("short_side", "least"), [(100, 100), (256, 256), (5000, 1200)]
)
def test_photo_of_a_telephone_is_decoded_small(short_side: int, least: int) -> None:
    data = encoded(Image.new("RGB", (1600, 1200), "green"), "JPEG")
    photo = read_photo(data, max_pixels=2_000_000, short_side=short_side)
    assert least <= min(photo.size) <= 2 * least


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_large_drawing_comes_at_reduced_size(kind: str) -> None:
    data = encoded(Image.new("L", (1900, 1000), 77), kind)
    pixels = read(data, max_pixels=2_000_000, long_side=400)
    assert 400 <= max(pixels.shape) < 800
    assert pixels.shape[1] / pixels.shape[0] == pytest.approx(1.9, rel=0.02)
    assert np.abs(pixels.astype(int) - 77).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)], ids=str)
def test_odd_sizes_are_read(size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG", "GIF", "WEBP"):
        assert read(encoded(Image.new("L", size, 255), kind)).size


@pytest.mark.parametrize(
    "announce",
    [
        png_header,
        jpeg_header,
        gif_header,
        gif_frame,
        webp_header,
        webp_lossless_header,
        webp_lossy_header,
    ],
)
def test_bomb_is_refused_before_it_is_decoded(
    announce: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_: Image.Image) -> None:
        raise AssertionError("decoded")

    data = announce(16000, 12000)
    assert len(data) < 10_000
    monkeypatch.setattr(Image.Image, "load", explode)
    for function in (
        lambda: read(data, max_pixels=40_000_000),
        lambda: read_photo(data, max_pixels=40_000_000, short_side=256),
    ):
        with pytest.raises(ImageTooLarge, match="expected at most 40,000,000 pixels"):
            function()


def test_refusal_names_what_came_and_what_is_allowed() -> None:
    with pytest.raises(ImageTooLarge) as caught:
        open_image(png_header(60000, 50000), max_pixels=1_000_000)
    assert caught.value.message == (
        "The image is too large: expected at most 1,000,000 pixels, "
        "received 60,000 × 50,000 = 3,000,000,000."
    )


def test_the_limit_itself_is_allowed() -> None:
    data = encoded(np.zeros((50, 20), np.uint8))
    assert read(data, max_pixels=1000).shape == (50, 20)
    with pytest.raises(ImageTooLarge):
        read(data, max_pixels=999)


def test_our_limit_alone_decides() -> None:
    """Pillow has a limit of its own, 89 million pixels, of which it only warns."""
    opened = open_image(png_header(20000, 9000), max_pixels=200_000_000)
    assert opened.image.width == 20000


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (b"", "received 0 bytes."),
        (b"seven", "5 bytes of text that begin with 'seven'"),
        (b"\0" * 100, "100 bytes that begin with 00 00 00 00 00 00 00 00"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- --><svg/>", "an SVG drawing"),
        ("\ufeff<svg/>".encode("utf-16-le"), "an SVG drawing"),
        (b"<?xml version='1.0'?><a/>", "an XML document"),
        (b"\n <!DOCTYPE html><html></html>", "an HTML document"),
        (b"\0\0\0\x18ftypmp42", "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"data:image/png;base64,iVBO", "a data: URL"),
    ],
    ids=[
        "empty", "text", "zeros", "pdf", "svg", "svg with a mark", "svg in utf-16",
        "xml", "html", "video", "jxl", "data url",
    ],
)  # fmt: skip
def test_what_is_no_image_is_named(data: bytes, received: str) -> None:
    with pytest.raises(InvalidImage) as caught:
        read(data)
    assert (
        "expected a JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF image"
        in caught.value.message
    )
    assert received in caught.value.message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_cut_is_an_error_and_never_half_an_image(kind: str) -> None:
    data = encoded(noise(), kind)
    whole = read(data)
    for length in range(0, len(data), max(1, len(data) // 97)):
        try:
            pixels = read(data[:length])
        except InvalidImage as error:
            assert "Traceback" not in error.message
        else:  # a JPEG may lack a hundredth of its pixels
            most = 0.01 if kind == "JPEG" else 0
            missing = (pixels != whole).any(axis=2).mean()
            assert missing <= most, f"cut at {length} of {len(data)}"


def test_cut_image_says_what_was_expected() -> None:
    data = encoded(noise(48, 64), "JPEG")
    with pytest.raises(InvalidImage) as caught:
        read(data[: len(data) // 2])
    assert "expected 64 × 48 pixels" in caught.value.message
    assert f"{len(data) // 2:,} bytes" in caught.value.message


@pytest.mark.parametrize(
    "palette",
    [None, b"\0\0\0", b"\0" * 7, b"\0" * 900],
    ids=["missing", "short", "odd", "long"],
)
def test_a_palette_that_is_missing_or_wrong_is_damage(palette: bytes | None) -> None:
    rows = zlib.compress(b"\0\1\2\3\4" * 4)
    header = struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    if palette is not None:
        chunks.insert(1, chunk(b"PLTE", palette))
        chunks.insert(2, chunk(b"tRNS", b"\0\1\2"))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    with suppress(InvalidImage):
        read_drawing(data, max_pixels=100, long_side=28)
    with suppress(InvalidImage):
        read_photo(data, max_pixels=100, short_side=28)


def test_wrong_checksum_is_an_error() -> None:
    data = bytearray(encoded(INK))
    data[29] ^= 1  # the last four bytes of the first chunk: 8 + 8 + 13 onwards
    with pytest.raises(InvalidImage, match="The PNG image is damaged"):
        read(bytes(data))


KINDS = {kind: encoded(noise(), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")}


@settings(max_examples=300)
@given(
    kind=st.sampled_from([*KINDS]),
    at=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=6),
    value=st.integers(0, 255),
)
def test_damaged_bytes_are_read_or_refused_and_nothing_else(
    kind: str, at: list[float], value: int
) -> None:
    data = bytearray(KINDS[kind])
    for each in at:
        data[int(each * len(data))] = value
    try:
        pixels = read(bytes(data))
    except (InvalidImage, ImageTooLarge):
        return
    assert pixels.dtype == np.uint8


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"]))
def test_random_bytes_are_refused(data: bytes, prefix: bytes) -> None:
    with pytest.raises((InvalidImage, ImageTooLarge)):
        read(prefix + data)


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000))),
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(100_000_000))),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(100_000_000))),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_compressed_text_in_a_png_is_never_unpacked(bomb: bytes) -> None:
    data = encoded(INK)
    bombed = data[:33] + bomb + data[33:]
    assert open_image(bombed, max_pixels=PLENTY).image.info == {}
    assert np.array_equal(read(bombed), read(data))


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again, to the same effect."""
    data = encoded(np.full((64, 64), 200, np.uint8), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def test_jpeg_of_endlessly_many_scans_is_refused() -> None:
    assert read(with_scans(20)).shape == (64, 64)
    with pytest.raises(InvalidImage, match="expected at most 64 scans of 4,096 pixels"):
        read(with_scans(100))


def test_film_behind_a_progressive_jpeg_is_no_scan_of_it() -> None:
    """Telephones append a second of film to a photo: bytes that can look like scans."""
    assert read(with_scans(0) + b"\xff\xda\0\2" * 1000).shape == (64, 64)


def test_threads_share_nothing() -> None:
    files = [
        encoded(noise(20 + n, 30), kind) for n in range(20) for kind in ("PNG", "JPEG")
    ]
    alone = [read(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read, files * 5))
    for n, pixels in enumerate(together):
        assert np.array_equal(pixels, alone[n % len(files)])


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (encoded(np.zeros((28, 28), np.uint8)), True),
        (encoded(np.zeros((29, 28), np.uint8)), False),
        (encoded(np.zeros((28, 28, 3), np.uint8)), False),
        (encoded(INK, "JPEG"), False),
        (b"", False),
    ],
    ids=["28×28", "larger", "colour", "JPEG", "nothing"],
)
def test_only_a_small_plain_png_is_read_at_once(data: bytes, *, plain: bool) -> None:
    pixels = read_plain(data, max_pixels=PLENTY, longest=28)
    assert (pixels is not None) is plain


def test_size_before_the_header_of_a_png_is_not_believed() -> None:
    """A text chunk can say 28 × 28 where a header does."""
    data = png_header(16000, 12000)
    lie = chunk(b"tEXt", struct.pack(">II", 28, 28) + b"\x08\0\0\0\0")
    trick = data[:8] + lie + data[8:]
    assert read_plain(trick, max_pixels=PLENTY, longest=28) is None
    with pytest.raises(ImageTooLarge, match="16,000 × 12,000"):
        read(trick)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_lacks_only_its_end_marker_is_read(*, progressive: bool) -> None:
    data = encoded(noise(280, 280), "JPEG", progressive=progressive)
    assert np.array_equal(read(data[:-2]), read(data))


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_of_which_a_part_is_missing_is_refused(*, progressive: bool) -> None:
    data = encoded(noise(280, 280), "JPEG", progressive=progressive)
    for share in (0.3, 0.6, 0.9, 0.97):
        with pytest.raises(InvalidImage, match="damaged or cut short"):
            read(data[: int(share * len(data))])


@pytest.mark.parametrize("brightest", [300, 1020, 4095, 16383, 65535])
def test_sixteen_bits_are_as_bright_as_they_need_to_be_seen(brightest: int) -> None:
    dim = (INK.astype(np.uint32) * brightest // 255).astype(np.uint16)
    assert read(encoded(dim)).max() >= 250


def test_dim_colours_of_sixteen_bits_are_seen() -> None:
    rows = np.zeros((32, 32, 3), ">u2")
    rows[INK > 0] = 900
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    size = struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
    data += chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    assert np.array_equal(read(data)[..., 0] > 127, INK > 127)


def test_small_ink_on_a_long_strip_is_found() -> None:
    strip = np.full((28, 20_000), 255, np.uint8)
    strip[4:24, 7:20] = 0
    pixels = read(encoded(strip))
    assert max(pixels.shape) < 100
    assert (pixels == 0).sum() == 20 * 13


def test_long_strip_that_is_full_is_refused_and_told_why() -> None:
    strip = np.full((28, 20_000), 255, np.uint8)
    strip[4:24:2, ::7] = 0
    with pytest.raises(InvalidImage, match=r"too long and thin.*20,000 × 28"):
        read(encoded(strip))


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "AVIF"])
def test_other_kinds_are_read_alike(kind: str) -> None:
    picture = Image.fromarray(INK).convert("RGB").resize((128, 128))
    expected = read(encoded(picture)).astype(int)
    assert np.abs(read(encoded(picture, kind)) - expected).mean() < 4


def test_heic_of_a_telephone_is_read() -> None:
    pixels = read((ODD / "heic.heic").read_bytes())
    assert pixels.ndim == 3
    assert pixels.max() - pixels.min() > 200


def test_without_its_decoder_a_heic_is_advised_to_be_a_jpeg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(InvalidImage, match="for example JPEG, received a HEIC"):
        read((ODD / "heic.heic").read_bytes())


def test_bmp_in_runs_is_expanded_up_to_a_bound() -> None:
    with pytest.raises(InvalidImage, match="compressed in runs"):
        read(run_length_bmp(2_000_000))


def run_length_bmp(runs: int) -> bytes:
    head = struct.pack("<IHHI", 0, 0, 0, 54 + 1024)
    info = struct.pack("<IiiHHIIiiII", 40, 900, 900, 1, 8, 1, 0, 0, 0, 0, 0)
    return b"BM" + head + info + bytes(1024) + b"\1\1" * runs


@pytest.mark.parametrize(
    "data",
    [
        png_header(28, 28)[:33] + chunk(b"abCd", b"") * 400_000,
        b"\xff\xd8" + b"\xff\xe5\0\2" * 1_000_000,
        b"\xff\xd8" + b"\xff" * 5_000_000,
        with_scans(0)[:-2] + b"\xff\xc4\0\2" * 1_000_000,
        b"GIF89a"
        + struct.pack("<HHBBB", 28, 28, 0, 0, 0)
        + b"\x21\xfe"
        + b"\1x" * 10**6,
        b"II*\0\x08\0\0\0" + struct.pack("<H", 60_000) + bytes(720_000),
    ],
    ids=["chunks", "segments", "padding", "tables", "blocks", "tags"],
)
def test_endlessly_many_parts_are_not_walked_over(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidImage, match="received more"):
        read(data)
    assert time.process_time() - began < 0.2
