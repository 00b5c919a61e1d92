"""The playground at `/`: a page for people; for programs, that the service is alive."""

import gzip
import hashlib
from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from service.errors import NotFound
from service.web.http.body import JSON
from service.web.http.negotiation import prefers
from service.web.state import AppState

STATIC = files("service.web.page") / "static"
HTML = "text/html"
PAGE = "index.html"
KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "woff2": "font/woff2",
}
PACKED = {"html", "css", "js", "svg"}  # what gzip makes smaller
ALIVE = b'{"status":"alive"}'  # as KServe's client expects it
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_page(request: Request) -> Response:
    """The page, to who would rather have one than JSON: browsers."""
    state: AppState = request.scope["servery"]
    accept = request.headers.get("accept")
    if state.settings.playground and prefers(accept, HTML, JSON):
        response = _send(request, PAGE)
        response.headers["content-security-policy"] = CONTENT_SECURITY_POLICY
    else:
        response = Response(ALIVE, media_type=JSON)
    response.headers["vary"] = "Accept, Accept-Encoding"
    return response


@router.get("/page/{name}")
async def show_page_file(request: Request, name: str) -> Response:
    """What the page loads."""
    state: AppState = request.scope["servery"]
    found = {each.name for each in STATIC.iterdir()} - {PAGE}
    if not state.settings.playground or name not in found:
        raise NotFound("There is nothing here; / is the page.")
    return _send(request, name)


def _send(request: Request, name: str) -> Response:
    """A file, unless the browser has it as it is; read anew, so an edit is seen."""
    content = (STATIC / name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    suffix = name.rpartition(".")[2]
    if suffix in PACKED and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        content = _pack(content)
    return Response(content, headers=headers, media_type=KINDS[suffix])


@lru_cache(maxsize=128)
def _pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
