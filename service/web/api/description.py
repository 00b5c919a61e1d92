"""The OpenAPI document: what FastAPI says of our routes, made whole and true.

Limits are those that hold here and now, every refusal that can come before a route is
reached is among its answers, and names in place of numbers stand for their values.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json

from service.web.api.predict import describe_endpoints
from service.web.api.schemas import describe_error
from service.web.http.direct import DirectEndpoints
from service.web.state import AppState

# What the connection, the parser and the way to a route can refuse, whatever the route.
ANYWHERE = (400, 408, 413, 414, 417, 422, 431, 500, 501, 503, 505)
BOUNDS = ("minItems", "maxItems", "maximum")
BY_KEY = (401, 403, 429)  # where API keys are asked for
KEY_SCHEMES: dict[str, Any] = {
    "ApiKey": {"type": "http", "scheme": "bearer"},
    "ApiKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


class Api(FastAPI):
    """FastAPI whose description knows the limits.

    Args:
        servery: Whose settings and models the limits are.
        **options: FastAPI's.
    """

    def __init__(self, servery: AppState, **options: Any):
        self._servery = servery
        super().__init__(**options)

    def setup(self) -> None:
        """Called by FastAPI, to add what it shows of itself."""
        path = self.openapi_url
        assert path is not None  # FastAPI's own  # noqa: S101
        self.add_route(path, self._show, include_in_schema=False)

    async def _show(self, request: Request) -> Response:
        """The document; made in a thread, since it takes half a second at first."""
        prefix = request.scope.get("root_path", "")
        content = await self._servery.in_thread(partial(self._write, prefix))
        return Response(content, media_type="application/json")

    def _write(self, prefix: str) -> bytes:
        servers = {"servers": [{"url": prefix}]} if prefix else {}
        return to_json(self.openapi() | servers)

    def openapi(self) -> dict[str, Any]:
        """The document, as it is true now."""
        document = copy.deepcopy(super().openapi())
        document["paths"] |= describe_endpoints(
            self._servery.engine.catalog, self._servery.tasks
        )
        for operation in _operations(document):
            for status in ANYWHERE:
                operation["responses"].setdefault(str(status), describe_error(status))
        if self._servery.settings.api_keys is not None:
            _ask_for_keys(document, self.state.direct)
        _fill(document, self._find_bound)
        return document

    def _find_bound(self, name: str) -> int | None:
        """The value of a setting, or of a fact about a model that may not be there."""
        find = self.state.facts.get(name)
        if find is not None:
            found: int | None = find(self._servery.engine.catalog)
            return found
        value: int = getattr(self._servery.settings, name)
        return value


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _ask_for_keys(document: dict[str, Any], direct: DirectEndpoints) -> None:
    """Say of all that has a model compute that it takes an API key."""
    document["components"].setdefault("securitySchemes", {}).update(KEY_SCHEMES)
    for path, methods in document["paths"].items():
        if path in direct and "post" in methods:
            operation = methods["post"]
            operation["security"] = [{scheme: []} for scheme in KEY_SCHEMES]
            for status in BY_KEY:
                operation["responses"].setdefault(str(status), describe_error(status))


def _fill(node: Any, find: Callable[[str], int | None]) -> None:
    """Put its value for a name, wherever a number belongs; nothing if it has none."""
    if isinstance(node, list):
        for each in node:
            _fill(each, find)
    elif isinstance(node, dict):
        for key in BOUNDS:
            if isinstance(node.get(key), str):
                value = find(node.pop(key))
                if value is not None:
                    node[key] = value
        for each in node.values():
            _fill(each, find)
