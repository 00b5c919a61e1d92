"""Endpoints that are called by their path alone, without the framework in between."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from service.web.http.record import Endpoint

MOST_KNOWN = 1024  # paths whose match is remembered


class DirectMatch(NamedTuple):
    """What a path leads to.

    Attributes:
        endpoint: To be called with the request.
        route: The template that the path belongs to.
        params: The parts of the path that the template names.
    """

    endpoint: Endpoint
    route: str
    params: dict[str, Any]


class DirectEndpoints:
    """POST endpoints by path.

    Args:
        routes: Endpoints by their template, whose parts in braces are any text without
            a slash: `/v2/models/{name}/infer`.
    """

    def __init__(self, routes: Mapping[str, Endpoint]):
        self._fixed = {
            route: DirectMatch(endpoint, route, {})
            for route, endpoint in routes.items()
            if "{" not in route
        }
        self._patterns = [
            (_compile(route), route, endpoint)
            for route, endpoint in routes.items()
            if "{" in route
        ]
        self._match = lru_cache(MOST_KNOWN)(self._search)

    def __contains__(self, path: str) -> bool:
        return self.find(path) is not None

    def find(self, path: str) -> DirectMatch | None:
        """What a path leads to, if it is to one of these."""
        return self._fixed.get(path) or self._match(path)

    def paths(self) -> Iterable[str]:
        """The templates of all."""
        return [*self._fixed, *(route for _, route, _ in self._patterns)]

    def _search(self, path: str) -> DirectMatch | None:
        for pattern, route, endpoint in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return DirectMatch(endpoint, route, match.groupdict())
        return None


def _compile(route: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", route)
    pattern = "".join(
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(pattern)
