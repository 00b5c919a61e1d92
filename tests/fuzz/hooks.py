"""What Schemathesis cannot know: what files are. See `schemathesis.toml`."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import schemathesis
from hypothesis import strategies as st

from service.models.digits.endpoint import EXAMPLE
from service.web.sound import to_wav

PICTURES = Path(__file__).parents[1] / "data" / "images"
FILES = [
    base64.b64decode(EXAMPLE),  # that every endpoint can read, clothing's too
    *((PICTURES / name).read_bytes() for name in ("photo-7-small.jpg",)),
]

files = st.sampled_from(FILES)
schemathesis.openapi.format(
    "base64-image", files.map(lambda file: base64.b64encode(file).decode())
)
schemathesis.openapi.format("image-file", files)
schemathesis.openapi.media_type("image/*", files)


@schemathesis.hook
def filter_query(context: Any, query: dict[str, Any] | None) -> bool:
    """Leave out the first version of digits, which reads no photos."""
    is_digits = context.operation and context.operation.path == "/v1/predict/digits"
    return not (is_digits and query and str(query.get("version")) == "1")


sounds = st.just(to_wav(np.zeros(800, np.float32), 8000))
schemathesis.openapi.format(
    "base64-audio", sounds.map(lambda file: base64.b64encode(file).decode())
)
schemathesis.openapi.media_type("audio/*", sounds)
