"""Multipart forms to the files in them, in one pass (RFC 2046, 5.1; RFC 7578).

preamble ─ delimiter ─ part ─ delimiter ─ part ─ delimiter-- ─ epilogue
                         └─ head: name, file name, content type ─ blank line ─ content

Cut at the delimiter by `bytes.find`, whose time is that of the bytes, up to a number of
pieces: a state machine in Python took 3.4 s for 16 MB.
"""

import re
from dataclasses import dataclass

from service.errors import InvalidInput, MalformedBody, TooManyRows
from service.wording import cut, show

MULTIPART = "multipart/form-data"
FIELD = "file"  # of a form, that files are taken from
MOST_PARTS = 1000  # of a form, whatever they are; boundaries that are none count
SLICE_BYTES = 256 * 1024  # that are searched before other threads get their turn
MOST_HEAD_BYTES = 4096  # of one part
MOST_BOUNDARY_BYTES = 200  # RFC 2046 allows 70; some senders do not know

BLANK = b" \t"
PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]*))')


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form: its name, whether it is a file, and its bytes."""

    name: str
    is_file: bool
    content: bytes


def parse_files(content_type: bytes, body: bytes, most: int) -> list[bytes]:
    """The files in the fields named `file` of a multipart form, in order.

    A part is a file if it has a file name, or a content type that is not text.

    Args:
        content_type: The header, whole.
        body: The form.
        most: Files that are allowed.

    Raises:
        MalformedBody: The form does not parse.
        InvalidInput: It has no such file, or text in place of one.
        TooManyRows: More than `most`.
    """
    parts = [_read(piece) for piece in _split(body, _boundary(content_type))]
    ours = [part for part in parts if part.name == FIELD]
    if not ours or not all(part.is_file for part in ours):
        names = ", ".join(show(part.name) for part in parts) or "no fields"
        raise InvalidInput(
            f"Expected one or more files in the field {FIELD!r}, received "
            f"{'text' if ours else cut(names, 256)}."
        )
    if len(ours) > most:
        raise TooManyRows(f"Expected at most {most} files, received {len(ours):,}.")
    return [part.content for part in ours]


def _boundary(content_type: bytes) -> bytes:
    boundary = _parameters(content_type).get("boundary", b"")
    if not 0 < len(boundary) <= MOST_BOUNDARY_BYTES:
        raise _malformed(
            f"expected a boundary of 1 to {MOST_BOUNDARY_BYTES} bytes in the content "
            f"type, received one of {len(boundary)}"
        )
    return boundary


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    """What stands between the delimiters, each piece with the rest of its line."""
    delimiter = b"\r\n--" + boundary
    pieces = _cut(b"\r\n" + body, delimiter, MOST_PARTS + 1)
    if len(pieces) > MOST_PARTS + 1:
        raise _malformed(f"expected at most {MOST_PARTS:,} boundaries, received more")
    found: list[list[bytes]] = []
    for piece in pieces[1:]:  # before the first: the preamble
        if piece.startswith(b"--"):
            return [delimiter.join(part) for part in found]
        if piece.lstrip(BLANK).startswith(b"\r\n"):
            found.append([piece])
        elif found:  # no delimiter but content that looks like one
            found[-1].append(piece)
    missing = "the last boundary" if found else "a boundary"
    raise _malformed(f"expected {missing}, received none in {len(body):,} bytes")


def _cut(body: bytes, delimiter: bytes, most: int) -> list[bytes]:
    """What `body.split` gives, which keeps the interpreter lock for up to 80 ms."""
    pieces, start, place = list[bytes](), 0, 0
    while place < len(body) and len(pieces) < most:
        found = body.find(delimiter, place, place + SLICE_BYTES + len(delimiter) - 1)
        if found < 0:
            place += SLICE_BYTES
        else:
            pieces.append(body[start:found])
            start = place = found + len(delimiter)
    return [*pieces, body[start:]]


def _read(piece: bytes) -> Part:
    start = piece.index(b"\r\n")
    end = piece.find(b"\r\n\r\n", start, start + MOST_HEAD_BYTES + 4)
    if end < 0:
        raise _malformed(
            f"expected a part's head of at most {MOST_HEAD_BYTES:,} bytes and a blank "
            "line, received no such line"
        )
    lines = (line.partition(b":") for line in piece[start:end].split(b"\r\n"))
    head = {name.strip().lower(): value.strip() for name, _, value in lines}
    told = _parameters(head.get(b"content-disposition", b""))
    kind = head.get(b"content-type", b"text/plain").lower()
    return Part(
        name=told.get("name", b"").decode("utf-8", "replace"),
        is_file=bool(told.keys() & {"filename", "filename*"})
        or not kind.startswith(b"text/"),
        content=piece[end + 4 :],
    )


def _parameters(value: bytes) -> dict[str, bytes]:
    """The parameters of a header, by name in lower case; the first of equal names."""
    found: dict[str, bytes] = {}
    for name, quoted, token in PARAMETER.findall(value):
        unquoted = re.sub(rb"\\(.)", rb"\1", quoted) if quoted else token
        found.setdefault(name.lower().decode("latin-1"), unquoted)
    return found


def _malformed(problem: str) -> MalformedBody:
    return MalformedBody(f"The multipart form does not parse: {problem}.")
