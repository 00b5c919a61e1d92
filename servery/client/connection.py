"""What both clients know of the service: where it is, how long to wait, what failed."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from servery.client.answers import Model
from servery.client.requests import Call
from servery.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    InvalidInput,
    ServeryError,
    Unavailable,
    by_status,
)
from servery.trust import Trust

URL = "http://127.0.0.1:8000"
TIMEOUT_HEADER = "x-request-timeout-ms"
CONNECT_S = 5.0
POLL_S = 0.25  # between two looks at a model that is waited for
GRACE_S = 2.0  # in which the server's own word comes, that the time was up
PATIENCE_S = 90.0  # without a deadline; the server gives up sooner
FIRST_WAIT_S = 0.2  # at least, and twice as long each time
REFUSED_RETRIES = 4  # 3 s in all: who has just started a service waits, a typo does not
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Connection:
    """A service, and how to speak to it.

    Attributes:
        url: Its address, with the prefix that a proxy may have put before it.
        headers: That go with every request.
        timeout_s: Seconds that one try may take; None leaves it to the server.
        retries: How often to try again.
        longest_wait_s: Seconds; who says to wait longer is not waited for.
        trust: Whom, and what is shown, where the service speaks TLS.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float | None = None
    retries: int = 6
    longest_wait_s: float = 10.0
    trust: Trust = field(default_factory=Trust)

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/?#]+(/[^?#]*)?$", self.url):
            raise InvalidInput(f"url: expected http://host:port, received {self.url!r}")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise InvalidInput(
                f"timeout_s: expected more than 0 seconds, received {self.timeout_s}"
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))

    def options(self) -> dict[str, Any]:
        """What httpx's clients are made with: none is asked the way to this machine."""
        return {
            "verify": self.trust.context() if self.trust != Trust() else True,
            "headers": self.headers,
            "timeout": self._timeout(self.timeout_s),
            "limits": httpx.Limits(max_connections=None),
            "trust_env": urlsplit(self.url).hostname not in LOCAL,
        }

    def request(self, call: Call[Any], timeout_s: float | None) -> dict[str, Any]:
        """What httpx is asked to send.

        Args:
            call: What.
            timeout_s: Seconds for this call alone; None: those of the client.
        """
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        headers = dict(call.headers)
        if timeout_s is not None:
            headers[TIMEOUT_HEADER] = str(max(1, round(timeout_s * 1000)))
        return {
            "method": call.method,
            "url": f"{self.url}{call.path}",
            "content": call.content,
            "headers": headers,
            "timeout": self._timeout(timeout_s),
        }

    def wait_s(self, error: ServeryError, tried: int, call: Call[Any]) -> float | None:
        """Seconds after which to try again; None where that makes no sense.

        Of many who are refused at once, not all come back at once.
        """
        wait_s = min(FIRST_WAIT_S * 2.0**tried, self.longest_wait_s)
        most = self.retries
        if isinstance(error, Unavailable):
            wait_s = max(wait_s, error.retry_after_s or 0)
        elif isinstance(error, ConnectionFailed) and error.was_refused:
            most = min(most, REFUSED_RETRIES)
        elif not (isinstance(error, ConnectionFailed) and call.is_repeatable):
            return None
        if tried >= most or wait_s > self.longest_wait_s:
            return None
        return wait_s * random.uniform(1, 1.25)  # noqa: S311 - no secret

    def explain(self, error: httpx.HTTPError) -> ServeryError:
        """What went wrong with a connection, in our words."""
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ConnectionFailed(
                f"{self.url}: expected a service that listens there: {reason}; to "
                "start one: servery serve",
                was_refused=True,
            )
        if isinstance(error, httpx.TimeoutException):
            return DeadlineExceeded(f"{self.url}: no answer came in time ({reason})")
        return ConnectionFailed(
            f"{self.url}: expected an answer, the connection broke off: {reason}",
            was_refused=False,
        )

    @staticmethod
    def _timeout(timeout_s: float | None) -> httpx.Timeout:
        longest_s = PATIENCE_S if timeout_s is None else timeout_s + GRACE_S
        return httpx.Timeout(longest_s, connect=CONNECT_S, pool=None)


def check(response: httpx.Response) -> None:
    """Raise what an answer says went wrong.

    Raises:
        ServeryError: Its status is not 200.
    """
    if response.status_code == httpx.codes.OK:
        return
    try:
        content = orjson.loads(response.content)
        message, code = str(content["error"]), content.get("code")
    except (ValueError, KeyError, TypeError):
        content, code = {}, None
        message = (
            f"{response.url}: expected an answer of Servery, received "
            f"{response.status_code} {response.reason_phrase}"
        )
    kind = by_status(max(400, response.status_code))
    raise kind(
        message,
        status=response.status_code,
        code=code,
        request_id=content.get("request_id") or response.headers.get("x-request-id"),
        details=content.get("details") or (),
        retry_after_s=_retry_after_s(response.headers.get("retry-after", "")),
    )


def is_there(model: Model, version: int | None) -> bool:
    """Whether a version of a model is ready; None: whether any answers."""
    return model.version is not None if version is None else version in model.versions


def too_late(
    name: str, found: Model | None, version: int | None, timeout_s: float
) -> DeadlineExceeded:
    """What waiting for a version that does not come ends with, and what there is."""
    wanted = "a version" if version is None else f"version {version}"
    known = found.raw["versions"] if found else []
    states = [
        f"{each['version']} {each['state']}"
        + (f" ({each['reason']})" if each["reason"] else "")
        for each in known
    ]
    return DeadlineExceeded(
        f"{name}: expected {wanted} to be ready within {timeout_s:g} s; received "
        f"{', '.join(states) or 'none'}"
    )


def _retry_after_s(value: str) -> float | None:
    """Seconds; a date, which Servery never sends, is left out."""
    return float(value) if value.isascii() and value.isdecimal() else None
