"""Refuses unknown query parameters, as unknown names in JSON are refused."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from service.web.http.wording import UNKNOWN_FIELDS


async def refuse_unknown(request: Request) -> None:
    """A dependency of every route.

    Raises:
        RequestValidationError: There is a parameter that the route does not know.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        error = {
            "type": UNKNOWN_FIELDS,
            "loc": ("query",),
            "ctx": {"unknown": unknown[:10], "known": known},
        }
        raise RequestValidationError([error])
