"""Every error that a caller of a running service can meet.

    ServeryError
    ├── InvalidInput        400, 405 … 431  what was given, also before anything is sent
    ├── AccessRefused       401, 403        a key or token is missing or wrong
    ├── NotFound            404             no such model, version, signature or address
    ├── Unavailable         429, 503        a rate is used up; overloaded, loading
    ├── DeadlineExceeded    504             the time was up, the server's clock or ours
    ├── ServerFailed        500 …           the model failed, or it is no Servery at all
    └── ConnectionFailed    none            nobody answers there, or they hung up

A message is the server's own: what was wrong, what was expected, what was received.
"""

from collections.abc import Sequence
from typing import Any


class ServeryError(Exception):
    """The root.

    Attributes:
        message: What was wrong, expected, received.
        status: Of the answer; None where there was none.
        code: The kind of error as the server names it, `queue_full`; else None.
        request_id: By which the server's log knows the request; else None.
        details: Which fields were wrong, each with `field` and `error`.
        retry_after_s: When the server asks to try again; else None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        details: Sequence[dict[str, Any]] = (),
        retry_after_s: float | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.details = tuple(details)
        self.retry_after_s = retry_after_s


class InvalidInput(ServeryError, ValueError):
    """What was given is wrong, or cannot be sent."""


class AccessRefused(ServeryError):
    """A key or token is missing, is another one, or may not ask this model."""


class NotFound(ServeryError):
    """There is no such model, version, signature or address."""


class Unavailable(ServeryError):
    """Not now, perhaps soon; it was tried again as often as was allowed."""


class DeadlineExceeded(ServeryError, TimeoutError):
    """The time was up before there was an answer."""


class ServerFailed(ServeryError):
    """The model failed on this input, or what answers is no Servery."""


class ConnectionFailed(ServeryError, ConnectionError):
    """Nobody answers at the URL, or the connection broke off.

    Attributes:
        was_refused: Whether nothing was sent yet, so that trying again repeats nothing.
    """

    def __init__(self, message: str, *, was_refused: bool):
        super().__init__(message)
        self.was_refused = was_refused


def by_status(status: int) -> type[ServeryError]:
    """The class of an answer with this status, 400 or more."""
    known: dict[int, type[ServeryError]] = {
        401: AccessRefused,
        403: AccessRefused,
        404: NotFound,
        429: Unavailable,
        503: Unavailable,
        504: DeadlineExceeded,
    }
    return known.get(status, InvalidInput if status < 500 else ServerFailed)
