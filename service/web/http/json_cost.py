"""What a JSON body will cost to parse, counted before it is.

A parser that makes Python's objects holds the interpreter's lock until it is through.
What it costs is not the bytes of long strings, which it copies, but values, escapes and
long numbers: 16 MB of them took 0.2 to 1.3 s and up to a gigabyte.
"""

import re

from service.errors import InvalidInput

TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|[^"]++', re.DOTALL
)  # a string, or no string
SHARE = 16  # bytes around a value, and escapes within it, that are allowed on average


def check_cost(body: bytes, max_values: int) -> None:
    """Refuse JSON that would cost too much to parse.

    Args:
        body: JSON, or what claims to be.
        max_values: Values, those in lists and objects each counted; as many escapes and
            bytes outside of strings as 16 times that.

    Raises:
        InvalidInput: There are more.
    """
    if body.count(b"\\") > SHARE * max_values:
        raise InvalidInput(
            f"The body is too intricate: expected at most {SHARE * max_values:,} "
            "escaped characters, received more."
        )
    values = outside = 0
    for token in TOKEN.finditer(body):
        start, end = token.span()
        if body[start] == ord('"'):
            continue
        outside += end - start
        values += sum(body.count(sign, start, end) for sign in (b",", b"[", b"{"))
        if values > max_values or outside > SHARE * max_values:
            raise InvalidInput(
                f"The body is too intricate: expected at most {max_values:,} values "
                f"and {SHARE * max_values:,} bytes around them, received more."
            )
