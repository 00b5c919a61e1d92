"""What kind of answer a caller wants: its `Accept` header against what we can give."""

import re
from collections.abc import Iterator, Sequence

from service.errors import NotAcceptable

# RFC 9110, section 12.4.2; and `.2`, as Java's older clients write it.
QUALITY = re.compile(r"0?\.\d{1,3}|0\.?|1(\.0{0,3})?", re.ASCII)
Range = tuple[str, str, float]  # type, subtype, quality


def choose(accept: str | None, offers: Sequence[str]) -> str:
    """Negotiate as RFC 9110, section 12.5.1 says.

    Of the ranges that a header lists the most specific one decides over an offer:
    `image/png` before `image/*` before `*/*`; quality 0 means never.

    Args:
        accept: The header; None or blank accepts everything.
        offers: Media types, in lower case, the one that we like best first.

    Returns:
        The offer of the highest quality, the earlier where two are equal.

    Raises:
        NotAcceptable: The header rules out every offer.
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = list(_parse(accept))
    qualities = [_quality(offer, ranges) for offer in offers]
    best = max(qualities)
    if best == 0:
        raise NotAcceptable(
            f"Accept: expected {' or '.join(offers)}, received {accept[:128]!r}."
        )
    return offers[qualities.index(best)]


def prefers(accept: str | None, offer: str, other: str) -> bool:
    """Whether a caller would rather have `offer` than `other`.

    Args:
        accept: The header; None or blank prefers nothing.
        offer: A media type, in lower case.
        other: Likewise.
    """
    ranges = list(_parse(accept or ""))
    return _quality(offer, ranges) > _quality(other, ranges)


def _parse(accept: str) -> Iterator[Range]:
    """The media ranges; what does not parse is left out."""
    for each in accept.lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        kind, slash, subtype = name.partition("/")
        if slash and kind and subtype and (kind != "*" or subtype == "*"):
            yield kind, subtype, _read_quality(parameters)


def _read_quality(parameters: Sequence[str]) -> float:
    """1 where nothing is said, 0 where nonsense is."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0


def _quality(offer: str, ranges: Sequence[Range]) -> float:
    """Of the most specific range that covers `offer`; 0 where there is none."""
    kind, _, subtype = offer.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        found = [quality for *name, quality in ranges if tuple(name) == wanted]
        if found:
            return max(found)
    return 0.0
