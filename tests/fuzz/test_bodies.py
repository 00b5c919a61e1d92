"""Thousands of generated bodies to every endpoint: none may be more than refused.

`FUZZ_EXAMPLES` says how many for each; a few where it is not set.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.models.clothing.vocabulary import CATEGORIES, EXAMPLE_IMAGE
from service.models.party.endpoint import VOTES
from tests.models.predicting import ARTIFACTS, Application

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
MOST_BYTES = 16_384
MODELS = ("party", "mammogram", "sentiment", "digits", "clothing_vae", "clothing_gan")
PATHS = (
    "/v1/predict/party",
    "/v1/predict/mammogram",
    "/v1/predict/sentiment",
    "/v1/predict/digits",
    "/v1/generate/clothing",
    "/v1/interpolate/clothing",
    "/v1/reconstruct/clothing",
)
NAMES = (
    "votes", "members", "age", "shape", "margin", "density", "masses", "text", "texts",
    "image", "images", "generator", "category", "count", "seed", "temperature", "scale",
    "from", "to", "steps", "latent", *VOTES[:3],
)  # fmt: skip
WORDS = (
    "yea", "nay", "unknown", "round", "obscured", "iso", "vae", "gan", "good film",
    EXAMPLE_IMAGE, f"data:image/png;base64,{EXAMPLE_IMAGE}", *CATEGORIES[:2],
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(WORDS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, min_size=1, max_size=1).map(lambda one: one * 70)
        | st.lists(st.just(0.5), min_size=20, max_size=20)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), inner)
    ),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=4)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, str]:
    """A body, and the content type that it is sent with."""
    body = json.dumps(draw(OBJECTS | VALUES)).encode()
    kind = "application/json"
    match draw(st.integers(0, 9)):
        case 0:  # broken somewhere
            at = draw(st.integers(0, len(body)))
            body = body[:at] + draw(st.binary(max_size=4)) + body[at + 2 :]
        case 1:
            boundary = draw(st.sampled_from(["b", '"b c"', "x" * 71, ""]))
            kind = f"multipart/form-data; boundary={boundary}"
            name = draw(st.sampled_from(NAMES) | st.just("file"))
            head = f'Content-Disposition: form-data; name="{name}"; filename="f"'
            line = b"--" + boundary.strip('"').encode()
            body = b"\r\n".join([line, head.encode(), b"", body, line + b"--"])
        case 2:
            kind = draw(st.sampled_from(["image/png", "text/plain", "a/b", ""]))
    return body, kind


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("artifacts")
    for model in MODELS:
        (folder / model).symlink_to(ARTIFACTS / model, target_is_directory=True)
    application = Application(folder)
    yield application
    application.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", PATHS)
def test_no_body_is_more_than_refused(application: Application, path: str) -> None:
    seen: dict[int, int] = {}

    @settings(
        max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(body=bodies(), query=st.sampled_from(["", "", "", "?version=1", "?x=1"]))
    def send(body: tuple[bytes, str], query: str) -> None:
        content, kind = body
        headers = {"content-type": kind} if kind else {}
        response = application.ask(f"{path}{query}", content=content, headers=headers)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        assert response.status_code in {200, 400, 404, 413, 415, 422, 503}
        if response.status_code != 200:
            assert len(response.content) <= MOST_BYTES
            check_error(response.json())

    send()
    assert seen.keys() >= {422}, seen


def check_error(error: dict[str, Any]) -> None:
    assert error.keys() - {"details"} == {"error", "code", "request_id"}
    assert len(error.get("details", [])) <= 10
