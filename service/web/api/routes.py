"""Puts the routes together: those of the API, and the endpoints of every model."""

import importlib
import pkgutil
from collections.abc import Iterator

from fastapi import APIRouter, FastAPI
from starlette.routing import Route, Router

from service import models as model_packages
from service.web.api import admin, docs, health, huggingface, models, predict
from service.web.api.schemas import DirectRoute
from service.web.api.tensorflow_serving import endpoints as tensorflow_serving
from service.web.api.v2 import endpoints as v2
from service.web.http.direct import DirectEndpoints
from service.web.page import endpoints as page


def mount(app: FastAPI) -> DirectEndpoints:
    """Add the API's routes, and the `router` of every package in `service.models`.

    The `endpoint` module of each also gives the `ENDPOINTS` of its models, by their
    names, and may give `FACTS`: by a name that stands in its schemas in place of a
    number, what finds that number in the catalog. `app.state.routes` is all routes.

    Returns:
        The endpoints of `DirectRoute`s.
    """
    routers: list[APIRouter] = []
    app.state.shipped = {}
    app.state.facts = {}
    for package in pkgutil.iter_modules(model_packages.__path__):
        endpoint = importlib.import_module(
            f"{model_packages.__name__}.{package.name}.endpoint"
        )
        routers.append(endpoint.router)
        app.state.shipped.update(endpoint.ENDPOINTS)
        app.state.facts.update(getattr(endpoint, "FACTS", {}))
    protocols = (predict, huggingface, tensorflow_serving, v2)
    apis = (*protocols, models, admin, health, docs, page)
    routers += [each.router for each in apis]
    for router in routers:
        app.include_router(router)
    app.state.routes = list(_find_routes(app.router))
    return DirectEndpoints(
        {
            route.path: route.endpoint
            for route in app.state.routes
            if isinstance(route, DirectRoute)
        }
    )


def _find_routes(router: Router) -> Iterator[Route]:
    """The routes of a router, and of those that are included in it."""
    for route in router.routes:
        if isinstance(route, Route):
            yield route
        elif isinstance(included := getattr(route, "original_router", None), Router):
            yield from _find_routes(included)
