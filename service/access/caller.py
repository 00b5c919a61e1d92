"""Who asks: what a key stands for while it is in force."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from service.access.keys import BULK, ApiKey
from service.access.rates import Rate, place

INDEX_BYTES = 8  # of a hash, by which it is found
MOST_REMEMBERED = 4096  # answers to who may ask what


@dataclass(frozen=True, slots=True)
class Caller:
    """A key of the file.

    Attributes:
        name: As log and metrics say it.
        digest: The SHA-256 of its key.
        models: See `ApiKey`.
        requests: How many it may send; None = any number.
        rows: How many it may have computed; likewise.
        expires: In Unix time; infinite if never.
        bulk: Whether all that it asks can wait.
    """

    name: str
    digest: bytes
    models: tuple[str, ...]
    requests: Rate | None
    rows: Rate | None
    expires: float
    bulk: bool

    def may_ask(self, model: str) -> bool:
        """Whether it may have this model compute."""
        return _match(self.models, model)


@lru_cache(MOST_REMEMBERED)
def _match(patterns: tuple[str, ...], model: str) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in patterns)


class Callers:
    """Those of one state of the file, found by their keys' hashes.

    Args:
        keys: By name.
        levels: What they have used of their rates.
    """

    def __init__(self, keys: Mapping[str, ApiKey], levels: memoryview):
        places = place(bytes.fromhex(key.sha256) for key in keys.values())
        callers = [_caller(*each, places, levels) for each in keys.items()]
        self._by_start = {each.digest[:INDEX_BYTES]: each for each in callers}

    def find(self, digest: bytes) -> Caller | None:
        """Whose hash this is, in a time that does not tell how much of it is right."""
        found = self._by_start.get(digest[:INDEX_BYTES])
        if found is not None and hmac.compare_digest(found.digest, digest):
            return found
        return None


def _caller(
    name: str, key: ApiKey, places: Mapping[bytes, int], levels: memoryview
) -> Caller:
    digest = bytes.fromhex(key.sha256)
    index = places[digest]
    return Caller(
        name,
        digest,
        key.models,
        Rate(levels, index, key.requests_per_s) if key.requests_per_s else None,
        Rate(levels, index + 1, key.rows_per_s) if key.rows_per_s else None,
        key.expires.timestamp() if key.expires else float("inf"),
        key.priority == BULK,
    )
