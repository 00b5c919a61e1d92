"""The envelope of BentoML, whose batched methods take lists, and so do requests.

{"image": "iVBOR…"} ─▶ {"image": ["iVBOR…"]}
{"predictions": […]} ◀─ […]
"""

import json


def wrap(body: bytes) -> bytes:
    """A request with one field, as every other peer takes it, as a list of one."""
    ((field, text),) = json.loads(body).items()
    return json.dumps({field: [text]}).encode()


def unwrap(answer: bytes) -> bytes:
    """A list of one prediction, as every other peer gives it."""
    return json.dumps({"predictions": json.loads(answer)}).encode()
