"""Puts the routes together: those of the API, and the endpoints of every model."""

import importlib
import pkgutil

from fastapi import FastAPI

from service import models as model_packages
from service.web.api import admin, docs, health, models
from service.web.api.schemas import DirectRoute
from service.web.http.record import Endpoint


def mount(app: FastAPI) -> dict[str, Endpoint]:
    """Add the API's routes, and the `router` of every package in `service.models`.

    The `endpoint` module of each also names its `MODELS`, so that one that is missing
    can be told, and may give `FACTS`: by a name that stands in its schemas in place of
    a number, what finds that number in the catalog.

    Returns:
        By path, the endpoints of `DirectRoute`s.
    """
    direct: dict[str, Endpoint] = {}
    app.state.endpoint_models = set()
    app.state.facts = {}
    for package in pkgutil.iter_modules(model_packages.__path__):
        endpoint = importlib.import_module(
            f"{model_packages.__name__}.{package.name}.endpoint"
        )
        app.include_router(endpoint.router)
        app.state.endpoint_models.update(endpoint.MODELS)
        app.state.facts.update(getattr(endpoint, "FACTS", {}))
        for route in endpoint.router.routes:
            if isinstance(route, DirectRoute):
                direct[route.path] = route.endpoint
    app.include_router(models.router)
    app.include_router(admin.router)
    app.include_router(health.router)
    app.include_router(docs.router)
    return direct
