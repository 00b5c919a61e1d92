"""The description of the API for people: Swagger UI, of our own files only."""

import gzip
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from service.errors import NotFound

FOLDER = files("service.web") / "swagger_ui"
KINDS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs() -> Response:
    """The page; all that it loads lies beside it."""
    page = (FOLDER / "index.html").read_bytes()
    headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
    return Response(page, headers=headers, media_type="text/html; charset=utf-8")


@router.get("/docs/{name}")
async def show_docs_file(request: Request, name: str) -> Response:
    """What the page loads; compressed, unless the browser cannot read that."""
    if name not in KINDS:
        raise NotFound("There is nothing here; /docs is the page.")
    headers = {"cache-control": "max-age=86400", "vary": "Accept-Encoding"}
    packed = FOLDER / f"{name}.gz"
    if not packed.is_file():
        content = (FOLDER / name).read_bytes()
    elif "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        content = packed.read_bytes()
    else:
        content = _unpacked(name)
    return Response(content, headers=headers, media_type=KINDS[name])


@cache
def _unpacked(name: str) -> bytes:
    return gzip.decompress((FOLDER / f"{name}.gz").read_bytes())
