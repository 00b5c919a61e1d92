"""The OpenAPI document: what FastAPI says of our routes, made whole and true.

Limits are those that hold here, every refusal that can come before a route is reached
is among its answers, and names of settings stand for their values.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from service.settings import Settings

ERROR = {"$ref": "#/components/schemas/ErrorResponse"}

# What the connection, the parser and the way to a route can refuse, whatever the route.
ANYWHERE = (400, 408, 413, 414, 417, 422, 431, 500, 501, 503, 505)


class Api(FastAPI):
    """FastAPI whose description knows the limits.

    Args:
        limits: Whose names stand in schemas in place of numbers.
        **options: FastAPI's.
    """

    def __init__(self, limits: Settings, **options: Any):
        self._limits = limits
        super().__init__(**options)

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            _fill(document, self._limits)
            for operation in _operations(document):
                for status in ANYWHERE:
                    operation["responses"].setdefault(str(status), _error(status))
        return super().openapi()


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _error(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": ERROR}},
    }


def _fill(node: Any, limits: Settings) -> None:
    """Put its value for the name of a setting, wherever a number belongs."""
    if isinstance(node, list):
        for each in node:
            _fill(each, limits)
    elif isinstance(node, dict):
        for key in ("maxItems", "maximum"):
            if isinstance(node.get(key), str):
                node[key] = getattr(limits, node[key])
        for each in node.values():
            _fill(each, limits)
