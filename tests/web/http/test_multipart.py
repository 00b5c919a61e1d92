"""Multipart forms as the world writes them, and as nobody should."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput, MalformedBody, TooManyRows
from service.web.http.multipart import MOST_PARTS, SLICE_BYTES, parse_files

KIND = b"multipart/form-data; boundary=b"


def part(head: str, content: bytes = b"picture") -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def disposition(rest: str) -> str:
    return f"Content-Disposition: form-data; {rest}"


FILE = part(disposition('name="file"; filename="a.png"'))
END = b"--b--\r\n"


@pytest.mark.parametrize(
    "head",
    [
        disposition('name="file"; filename="a.png"'),
        disposition("name=file; filename=a.png"),
        disposition('filename="a.png"; name="file"'),
        disposition('name="file"; filename=""'),
        disposition('name="file"; filename="a \\"b\\"; c.png"'),
        disposition("name=\"file\"; filename*=UTF-8''%e2%82%ac.png"),
        disposition('name="file"') + "\r\nContent-Type: image/png",
        "content-type: IMAGE/PNG\r\ncontent-disposition: form-data;name=file",
        disposition('name="file"; filename="é.png"') + "\r\nContent-Type: text/plain",
    ],
    ids=str,
)
def test_a_part_with_a_file_name_or_the_type_of_one_is_a_file(head: str) -> None:
    assert parse_files(KIND, part(head) + END, 1) == [b"picture"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (KIND, b"This is a preamble.\r\n" + FILE + END),
        (KIND, b"\r\n" + FILE + END),
        (KIND, FILE + END + b"and an epilogue\r\n--b\r\nof any kind"),
        (KIND, FILE + b"--b--"),
        (KIND, FILE.replace(b"--b\r\n", b"--b \t\r\n") + END),
        (b'Multipart/Form-Data; charset=utf-8; Boundary="b"', FILE + END),
        (KIND, part(disposition('name="note"'), b"text") + FILE + END),
    ],
    ids=["preamble", "line", "epilogue", "end", "padding", "quoted", "other field"],
)
def test_what_stands_around_the_file_is_left_out(kind: bytes, body: bytes) -> None:
    assert parse_files(kind, body, 1) == [b"picture"]


def test_what_only_looks_like_a_boundary_is_content() -> None:
    content = b"a\r\n--bX\r\n--b-\r\nb--b\r\n--"
    body = part(disposition('name="file"; filename="x"'), content) + END
    assert parse_files(KIND, body, 1) == [content]


@given(st.lists(st.binary(max_size=64), min_size=1, max_size=8))
def test_files_come_back_as_they_were_in_their_order(files: list[bytes]) -> None:
    boundary = b"0123456789abcdefghijklmnopqrstuvwxyz"
    head = b'\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    parts = b"".join(b"--" + boundary + head + file + b"\r\n" for file in files)
    kind = b"multipart/form-data; boundary=" + boundary
    assert parse_files(kind, parts + b"--" + boundary + b"--", 8) == files


@given(st.binary(max_size=300), st.sampled_from([b"", FILE, part("a: b")]))
def test_any_bytes_are_read_or_refused(noise: bytes, start: bytes) -> None:
    with suppress(InvalidInput):
        parse_files(KIND, start + noise + END, 4)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (b"multipart/form-data", FILE + END, "boundary"),
        (b"multipart/form-data; boundary=", FILE + END, "boundary"),
        (b"multipart/form-data; boundary=" + b"b" * 201, FILE + END, "of 201"),
        (KIND, b"", "expected a boundary"),
        (KIND, FILE, "expected the last boundary"),
        (KIND, b"--b\r\nContent-Disposition: form-data\r\n" + END, "blank line"),
        (KIND, part("X: " + "y" * 5000) + END, "at most 4,096 bytes"),
        (KIND, FILE * (MOST_PARTS + 1) + END, "at most 1,000 boundaries"),
        (KIND, FILE[:-2] + b"\r\n--bX" * 1_000_000, "at most 1,000 boundaries"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_form_that_does_not_parse_says_what_is_missing(
    kind: bytes, body: bytes, said: str
) -> None:
    with pytest.raises(MalformedBody, match=said):
        parse_files(kind, body, 4)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (part(disposition('name="file"'), b"text"), "received text"),
        (part(disposition('name="picture"; filename="x"')), "received 'picture'"),
        (b"", "received no fields"),
        (FILE + part(disposition('name="file"'), b"text"), "received text"),
    ],
)
def test_a_form_without_a_file_names_what_it_has(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_files(KIND, body + END, 4)


def test_more_files_than_allowed_are_counted() -> None:
    with pytest.raises(TooManyRows, match="at most 4 files, received 5"):
        parse_files(KIND, FILE * 5 + END, 4)


@pytest.mark.parametrize("shift", range(-8, 9))
def test_a_delimiter_is_found_wherever_it_lies(shift: int) -> None:
    content = b"x" * (SLICE_BYTES + shift - 100)
    head = b'Content-Disposition: form-data; name="file"; filename="x"'
    body = b"--a\r\n" + head + b"\r\n\r\n" + content + b"\r\n--a--"
    assert parse_files(b"multipart/form-data; boundary=a", body, 1) == [content]
