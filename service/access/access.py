"""Asks whoever wants a model to compute for an API key, where there is a file of them.

head ─▶ identify: known? within its rates? ─▶ body ─▶ check: this model? ─▶ take: rows?
            401, 429                                      403                   429
"""

import logging
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from service.access.caller import Caller, Callers
from service.access.keys import KeysError, hash_key, read_keys
from service.access.rates import open_levels
from service.errors import Forbidden, RateExceeded, Unauthenticated, Unavailable
from service.metrics import Metrics
from service.watched import WatchedFile
from service.web.http.record import RequestRecord

logger = logging.getLogger(__name__)

HOW = "Authorization: expected Bearer and an API key, or X-API-Key with one"


class Access:
    """Who may ask which model, and how much of it.

    Args:
        path: The file of keys, which is read again when it has changed; a broken one
            leaves the last in force. None: everybody may ask everything.
        metrics: Where it is told whether the file is in force.
        levels: The block of what keys have used (`create_levels`); None: of one that no
            other process sees.
    """

    def __init__(self, path: Path | None, metrics: Metrics, levels: int | None = None):
        self._path, self._metrics = path, metrics
        self._callers: Callers | None = None  # until the file could be read
        self._problem = ""  # with it, as it lies there: read again until there is none
        if path is not None:
            self._file = WatchedFile(path)
            self._levels = open_levels(levels)
            self.look()

    def look(self) -> None:
        """Read the file if it has changed. May take as long as the disk does."""
        if self._path is None or not (self._file.has_changed() or self._problem):
            return
        try:
            keys = read_keys(self._path)
        except KeysError as error:
            self._metrics.api_keys_broken.set(1)
            if str(error) != self._problem:
                logger.error("%s; what it said before holds", error)
            self._problem = str(error)
            return
        self._callers, self._problem = Callers(keys, self._levels), ""
        self._metrics.api_keys_broken.set(0)
        logger.info("%d API keys are in force", len(keys))

    def identify(self, record: RequestRecord) -> None:
        """Find out who asks, once for a request, and count it.

        Raises:
            Unauthenticated: Nobody that is known.
            RateExceeded: It has sent too many requests, or is behind with rows.
            Unavailable: The file could not be read since this process has started.
        """
        if self._path is None or record.caller is not None:
            return
        caller = record.caller = self._find(record.headers)
        if caller.expires <= time.time():
            date = datetime.fromtimestamp(caller.expires, UTC).isoformat()
            raise Unauthenticated(
                f"{HOW}; received {caller.name}, which has expired ({date})."
            )
        if caller.rows is not None:
            _check(caller, "rows", caller.rows.per_s, caller.rows.wait_s(1))
        if caller.requests is not None:
            _check(caller, "requests", caller.requests.per_s, caller.requests.take(1))

    def check(self, record: RequestRecord, model: str) -> None:
        """See whether who asks may ask this model.

        Raises:
            Forbidden: It may not.
            ServeryError: See `identify`.
        """
        self.identify(record)
        caller = record.caller
        if caller is not None and not caller.may_ask(model):
            raise Forbidden(
                f"The API key {caller.name} may not ask this model: expected "
                f"{', '.join(caller.models)}; received {model[:256]}."
            )

    def take(self, record: RequestRecord, rows: int) -> None:
        """Count rows that are about to be computed.

        A request that asks again, after its first rows, is not refused any more: it
        would be each time that it comes.

        Raises:
            RateExceeded: They are more than the key may have computed now.
        """
        caller = record.caller
        if caller is not None and caller.rows is not None:
            wait_s = caller.rows.take(rows, always=record.rows is not None)
            _check(caller, "rows", caller.rows.per_s, wait_s)

    def give_back(self, record: RequestRecord, rows: int) -> None:
        """So many of the rows that were taken have not been computed."""
        caller = record.caller
        if caller is not None and caller.rows is not None and rows > 0:
            caller.rows.give_back(rows)

    def _find(self, headers: Mapping[bytes, bytes]) -> Caller:
        if self._callers is None:
            raise Unavailable("The API keys cannot be read; the log says why.")
        key = _read_key(headers)
        if not key:
            raise Unauthenticated(f"{HOW}; received none.")
        caller = self._callers.find(hash_key(key))
        if caller is None:
            raise Unauthenticated(f"{HOW}; received one that is not known here.")
        return caller


def _read_key(headers: Mapping[bytes, bytes]) -> bytes:
    """The key that is shown, X-API-Key before Authorization; empty if none is."""
    key = headers.get(b"x-api-key")
    if key is not None:
        return key.strip()
    kind, _, sent = headers.get(b"authorization", b"").partition(b" ")
    return sent.strip() if kind.lower() == b"bearer" else b""


def _check(caller: Caller, what: str, per_s: float, wait_s: float) -> None:
    if wait_s:
        raise RateExceeded(
            f"The API key {caller.name} has used up its rate: expected at most "
            f"{per_s:g} {what}/s, received more.",
            retry_after_s=math.ceil(wait_s),
        )
