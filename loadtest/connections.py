"""HTTP connections, kept open and used again: each an httpx transport of its own.

One `AsyncClient` with many connections searches all of them for every request, which at
256 costs more than the request. A transport with a single one has nothing to search.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping

import httpx

from loadtest.results import OK, TIMEOUT
from loadtest.workloads import Body

SHEDDING = (429, 503)  # statuses that owe their caller a Retry-After (RFC 9110, 10.2.3)


class Connections:
    """The connections of one process.

    Args:
        most: That may be under way at once.
        timeout_s: After which an exchange is given up and its connection closed.
    """

    def __init__(self, most: int, timeout_s: float):
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context()
        self._limits = httpx.Limits(max_connections=1, keepalive_expiry=60)
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._most = most

    def under_way(self) -> int:
        """How many are in use."""
        return len(self._all) - len(self._free)

    def are_exhausted(self) -> bool:
        """Whether no more can be used before one is free."""
        return self.under_way() >= self._most

    async def exchange(self, request: httpx.Request) -> str:
        """Send one request, wait for the whole answer, and say what became of it.

        Returns:
            `200`, `503 queue_full`, `timeout`, `ConnectError` and the like.
        """
        connection = self._free.pop() if self._free else self._open()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await connection.handle_async_request(request)
                body = await response.aread()
        except TimeoutError:
            return TIMEOUT
        except httpx.TransportError as error:
            return type(error).__name__
        finally:
            self._free.append(connection)
        return OK if response.status_code == httpx.codes.OK else tell(response, body)

    async def close(self) -> None:
        """Close all that are open."""
        for connection in self._all:
            await connection.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        connection = httpx.AsyncHTTPTransport(
            verify=self._tls, limits=self._limits, trust_env=False
        )
        self._all.append(connection)
        return connection


def tell(response: httpx.Response, body: bytes) -> str:
    """What the service answered where it was not 200: status, code, what is missing."""
    try:
        code = str(json.loads(body)["code"])[:40]
    except (ValueError, TypeError, KeyError):
        code = ""
    said = f"{response.status_code} {code}".strip()
    is_owed = response.status_code in SHEDDING and "retry-after" not in response.headers
    return f"{said}, no Retry-After" if is_owed else said


def prepare(
    url: str, path: str, body: Body, headers: Mapping[str, str]
) -> httpx.Request:
    """A request that can be sent any number of times."""
    given = {"content-type": body.media_type, **headers}
    return httpx.Request("POST", url + path, content=body.content, headers=given)
