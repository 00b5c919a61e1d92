"""The application on what is no prediction: addresses, queries, pages, faults."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from service.web.api.docs import KINDS
from tests.models.predicting import ARTIFACTS, Application, refused

JSON = {"content-type": "application/json"}
PREDICT = ["party", "mammogram", "sentiment", "digits"]
GETS = ["/", "/livez", "/readyz", "/metrics", "/v1/models", "/v1/models/party", "/docs",
        "/openapi.json"]  # fmt: skip
REPORT = "/v1/models/party/versions/2/report/roc.png"
MOST_BYTES = 16_384


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("artifacts")
    for model in (*PREDICT, "clothing_vae", "clothing_gan"):
        (folder / model).symlink_to(ARTIFACTS / model, target_is_directory=True)
    application = Application(folder)
    yield application
    application.close()


@pytest.mark.parametrize("path", [*GETS, REPORT])
def test_head_is_get_without_the_body(application: Application, path: str) -> None:
    got, headed = (application.ask(path, method) for method in ("GET", "HEAD"))

    assert headed.status_code == got.status_code < 400
    assert headed.content == b""
    same = {"content-type", "location", "content-security-policy"}
    assert {k: v for k, v in headed.headers.items() if k in same} == {
        k: v for k, v in got.headers.items() if k in same
    }


def test_head_is_not_post(application: Application) -> None:
    response = application.ask("/v1/predict/party", "HEAD")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_another_method_is_told_which_there_are(application: Application) -> None:
    response = application.ask("/livez", "DELETE")

    assert "expected GET, HEAD, received DELETE" in refused(
        response, 405, "method_not_allowed"
    )
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/models/party:predict", "POST"),
        ("/v1/models/party", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/docs/start.js", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/v1/models/a%3Apredict", "POST"),
        ("/v2/models/stats", "GET, HEAD"),
        ("/v1/admin/models/party/labels/stable", "DELETE, PUT"),
    ],
)
def test_all_methods_of_a_path_are_told(
    application: Application, path: str, allowed: str
) -> None:
    assert application.ask(path, "OPTIONS").headers["allow"] == allowed


def test_no_path_that_is_described_fails_for_a_method_that_it_lacks(
    application: Application,
) -> None:
    paths = application.ask("/openapi.json", "GET").json()["paths"]
    assert "/v1/reconstruct/clothing" in paths
    for path, operations in paths.items():
        concrete = re.sub(r"{version}", "1", path)
        concrete = re.sub(r"{\w+}", "x", concrete)
        response = application.ask(concrete, "TRACE")
        refused(response, 405, "method_not_allowed")
        told = set(response.headers["allow"].split(", "))
        assert {name.upper() for name in operations} <= told, path


def test_a_refused_method_needs_no_description(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes half a second to make."""
    monkeypatch.setattr(FastAPI, "openapi", lambda _: pytest.fail("was made"))
    for path in ("/livez", "/docs", "/v2"):
        refused(application.ask(path, "DELETE"), 405, "method_not_allowed")


def test_the_description_is_made_beside_the_event_loop(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers = []

    def make(_: FastAPI) -> dict[str, Any]:
        makers.append(threading.current_thread())
        return {"paths": {}}

    monkeypatch.setattr(FastAPI, "openapi", make)
    assert application.get("/openapi.json").json() == {"paths": {}}
    assert makers[0] is not threading.main_thread()


@pytest.mark.parametrize("path", ["/livez/", "/v1/models/", "/v1/predict/party/"])
def test_a_trailing_slash_is_another_address_and_no_redirect(
    application: Application, path: str
) -> None:
    response = application.ask(path, "GET", headers={"host": "elsewhere.example"})

    refused(response, 404, "not_found")
    assert "location" not in response.headers


@pytest.mark.parametrize("path", [p for p in GETS if p != "/openapi.json"])
def test_an_unknown_query_parameter_is_refused(
    application: Application, path: str
) -> None:
    said = refused(application.ask(f"{path}?verbose=1", "GET"), 422, "invalid_input")

    assert "query.verbose" in said
    assert "received 'verbose', which is not permitted" in said


def test_an_unknown_query_parameter_of_a_model_is_told_what_was_meant(
    application: Application,
) -> None:
    response = application.ask("/v1/predict/party?versoin=1", json={"votes": {}})

    said = refused(response, 422, "invalid_input")
    assert "did you mean 'version'?" in said


@pytest.mark.parametrize("version", ["0", "x", "1.5", "", "9" * 5000])
def test_a_version_that_is_no_number_is_refused(
    application: Application, version: str
) -> None:
    response = application.ask(
        "/v1/predict/party", params={"version": version}, json={"votes": {}}
    )

    said = refused(response, 422, "invalid_input")
    assert "query.version: expected" in said
    assert "received" in said


def test_the_pages_load_nothing_from_elsewhere(application: Application) -> None:
    page = application.ask("/docs", "GET")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert not re.search(r"https?://", policy + page.text)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    ours = [address for address in loaded if address != "data:,"]
    assert sorted(ours) == sorted(f"docs/{name}" for name in KINDS)  # relative
    for address in ours:
        answer = application.ask(f"/{address}", "GET")
        assert answer.status_code == 200
        assert len(answer.content) > 100
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_that_reads_no_gzip_gets_the_same_file(
    application: Application,
) -> None:
    path = "/docs/swagger-ui.css"
    plain = application.ask(path, "GET", headers={"accept-encoding": "identity"})
    packed = application.ask(path, "GET")

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content


def test_what_lies_beside_the_pages_is_not_served(application: Application) -> None:
    for name in ("LICENSE", "index.html", "..%2f..%2fapp.py", "swagger-ui.css.gz"):
        refused(application.ask(f"/docs/{name}", "GET"), 404, "not_found")
    refused(application.ask("/redoc", "GET"), 404, "not_found")


@pytest.mark.parametrize("path", [*GETS, REPORT])
def test_nothing_is_to_be_guessed_or_framed(
    application: Application, path: str
) -> None:
    headers = application.ask(path, "GET").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def keys(count: int) -> bytes:
    return b"{" + b",".join(b'"key%d":0' % i for i in range(count)) + b"}"


def rows(field: str, row: bytes, count: int) -> bytes:
    return b'{"%b":[%b]}' % (field.encode(), b",".join([row] * count))


LATENT = b'{"from":%b,"to":{}}' % rows("latent", b"9", 30_000)
CONTROLS = {"\x01" * 90 + str(number): 0 for number in range(99)}
COSTLY: dict[str, tuple[str, bytes]] = {
    "a million members": ("predict/party", rows("members", b"0", 1_000_000)),
    "members": ("predict/party", rows("members", b"0", 64)),
    "vote names": ("predict/party", b'{"votes":%b}' % keys(800_000)),
    "fewer vote names": ("predict/party", b'{"votes":%b}' % keys(9_000)),
    "images": ("predict/digits", rows("images", b"0", 1_000_000)),
    "empty images": ("predict/digits", rows("images", b'""', 64)),
    "texts": ("predict/sentiment", rows("texts", b"0", 1_000_000)),
    "masses": ("predict/mammogram", rows("masses", b"0", 1_000_000)),
    "bad masses": ("predict/mammogram", rows("masses", b'{"a":0,"shape":1}', 64)),
    "latents": ("interpolate/clothing", rows("latent", b"0.5", 1_000_000)),
    "bad latents": ("interpolate/clothing", LATENT),
    "depth": ("predict/party", b"[" * 5_000_000),
    "digits": ("predict/digits", b"[" + b"9" * 5_000_000 + b"]"),
    "escapes": ("predict/digits", b'{"image":"' + b"\\/" * 2_000_000 + b'"}'),
    "characters": ("predict/sentiment", rows("texts", b'"%b"' % (b"a b " * 9_000), 16)),
    "no base64": ("predict/digits", b'{"image":"%b"}' % ("é" * 900_000).encode()),
    **{f"names to {m}": (f"predict/{m}", keys(100_000)) for m in PREDICT},
    "names to generate": ("generate/clothing", keys(100_000)),
    "controls": ("predict/party", json.dumps(CONTROLS).encode()),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_cost_much_is_refused_in_few_words(
    application: Application, name: str
) -> None:
    path, body = COSTLY[name]
    response = application.ask(f"/v1/{path}", content=body, headers=JSON)

    assert response.status_code in {413, 422}, response.text[:300]
    assert len(response.content) <= MOST_BYTES
    assert "expected" in response.json()["error"].lower()
    assert len(response.json().get("details", [])) <= 10


@pytest.mark.parametrize(
    "path", ["/" + "x" * 9000, "/%01%02" * 900, "/v1/models/" + "é" * 3000]
)
def test_a_long_address_is_not_repeated(application: Application, path: str) -> None:
    response = application.ask(path, "GET")

    assert response.status_code == 404
    assert len(response.content) <= MOST_BYTES


def test_the_limits_in_the_description_are_those_that_hold(
    application: Application,
) -> None:
    document: dict[str, Any] = application.ask("/openapi.json", "GET").json()
    post = {p: d["post"] for p, d in document["paths"].items() if "post" in d}

    for operation in post.values():
        (timeout,) = [
            each["schema"] for each in operation["parameters"]
            if each["name"] == "X-Request-Timeout-Ms"
        ]  # fmt: skip
        assert timeout["maximum"] == 60_000
        assert {"400", "408", "413", "422", "503", "504"} <= operation[
            "responses"
        ].keys()
    content = post["/v1/predict/party"]["requestBody"]["content"]
    one, several = content["application/json"]["schema"]["oneOf"]
    assert (one["required"], several["required"]) == (["votes"], ["members"])
    assert several["properties"]["members"]["maxItems"] == 64
    ends = post["/v1/interpolate/clothing"]["requestBody"]["content"]
    _, latent = ends["application/json"]["schema"]["properties"]["from"]["oneOf"]
    assert latent["properties"]["latent"]["minItems"] == 20


def test_sentiment_computes_many_characters_in_turn(application: Application) -> None:
    texts = [f"I loved this film {i} times. " * 200 for i in range(12)]
    together = application.ask("/v1/predict/sentiment", json={"texts": texts})
    alone = [
        application.ask("/v1/predict/sentiment", json={"text": text}).json()
        for text in texts
    ]

    assert together.status_code == 200
    for found, single in zip(together.json()["predictions"], alone, strict=True):
        (expected,) = single["predictions"]
        assert found["tokens"] == expected["tokens"]
        assert found["probability"] == pytest.approx(expected["probability"], abs=1e-4)


def test_the_list_says_the_same_kind_of_task_as_the_model(
    application: Application,
) -> None:
    listed = application.get("/v1/models").json()["models"]
    kinds = {each["name"]: each["task"] for each in listed}
    for name in (*PREDICT, "clothing_vae"):
        assert (
            kinds[name] == application.get(f"/v1/models/{name}").json()["task"]["kind"]
        )
    assert kinds["photo"] == "image-classification"  # though it is missing


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("generate/clothing_vae", "generate/clothing"),
        ("predict/clothing_gan", "generate/clothing"),
        ("generate/digits", "predict/digits"),
    ],
)
def test_a_model_that_is_asked_elsewhere_says_where(
    application: Application, asked: str, there: str
) -> None:
    said = refused(application.ask(f"/v1/{asked}", json={}), 404, "not_found")
    assert f"Nothing is at /v1/{asked}: expected POST /v1/{there}, which" in said
