"""What Schemathesis cannot know: what an image file is. See `schemathesis.toml`."""

import base64
from pathlib import Path

import schemathesis
from hypothesis import strategies as st

from service.models.digits.endpoint import EXAMPLE

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
