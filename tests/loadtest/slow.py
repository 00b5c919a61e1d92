"""A service that answers so many requests a second and refuses the rest."""

import json
import time
from typing import Any

CAPACITY = 40.0  # requests a second
BURST = 20.0  # beyond it, at once: the noise of a machine is no overload
MODELS = {"models": [{"name": "digits", "default_version": 1}], "paths": {}}


class Bucket:
    """Fills by `CAPACITY` tokens a second; each answer takes one."""

    def __init__(self) -> None:
        self._tokens, self._at = BURST, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + CAPACITY * (now - self._at))
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


bucket = Bucket()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    is_post = scope["method"] == "POST"
    status = 404 if scope["path"] == "/metrics" else 200
    if is_post:
        while (await receive()).get("more_body"):
            pass
        status = 200 if bucket.take() else 503
    body = json.dumps(MODELS if not is_post else {"code": "full"}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
