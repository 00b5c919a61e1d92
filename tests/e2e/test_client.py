"""`servery.Client` and `AsyncClient`, against the real service."""

import asyncio
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import servery
from tests.e2e.conftest import ARTIFACTS, DIGITS_VERSIONS, NEWEST_DIGITS, to_png
from tests.e2e.server import Server, free_port, until

ROOT = Path(__file__).parents[2]
SEVEN = ROOT / "seven.png"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(shipped: Server) -> Server:
    return shipped


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[servery.Client]:
    with servery.Client(server.url) as client:
        yield client


def seven_in_all_forms() -> list[Any]:
    with Image.open(SEVEN) as image:
        image.load()
    return [str(SEVEN), SEVEN, SEVEN.read_bytes(), image, np.asarray(image)]


def test_an_image_in_any_form_is_the_same_digit(client: servery.Client) -> None:
    for given in seven_in_all_forms():
        prediction = client.predict("digits", given)
        assert (prediction.label, prediction.digit) == ("7", 7)
        assert prediction.version == NEWEST_DIGITS
        assert prediction.score > 0.99
        assert prediction.classes[0].label == "7"


def test_a_list_is_answered_in_its_order(
    client: servery.Client, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = sample[0][:40], sample[1][:40]

    predictions = client.predict("digits", list(images), concurrency=8)
    stacked = client.predict("digits", images)

    found = [each.digit for each in predictions]
    assert np.mean(np.array(found) == labels) > 0.9
    assert [each.digit for each in stacked] == found


def test_texts_and_records_share_requests_and_keep_their_order(
    server: Server, client: servery.Client
) -> None:
    before = len(server.log_lines(path="/v1/predict/mammogram"))
    masses = [{"age": 20 + row % 80, "shape": "round"} for row in range(100)]

    together = client.predict("mammogram", masses)

    alone = [client.predict("mammogram", mass) for mass in masses[::33]]
    for shared, single in zip(together[::33], alone, strict=True):
        # A sum of float32 depends on the size of its batch, in its last digit.
        probability = pytest.approx(single.raw["probability"], abs=2e-6)
        assert shared.raw == single.raw | {"probability": probability}
    requests = len(server.log_lines(path="/v1/predict/mammogram")) - before
    assert requests <= 4 + 4
    said = client.predict("sentiment", ["I loved it.", "Dull, long, and badly acted."])
    assert [each.label for each in said] == ["positive", "negative"]
    assert all((each.score or 0) > 0.5 for each in said)


def test_one_wrong_row_fails_alone(client: servery.Client) -> None:
    masses = [{"age": 57}, {"age": 5}, {"age": 58}]

    outcomes = list(client.predict_each("mammogram", masses, return_errors=True))

    assert [type(each) for each in outcomes] == [
        servery.Prediction,
        servery.InvalidInput,
        servery.Prediction,
    ]
    with pytest.raises(
        servery.InvalidInput, match="expected a whole number of years from 18"
    ):
        client.predict("mammogram", masses)


def test_a_member_s_votes_are_wrapped_and_a_body_is_not(client: servery.Client) -> None:
    votes = {"physician-fee-freeze": "nay"}

    wrapped = client.predict("party", votes)

    assert wrapped.label == "democrat"
    assert wrapped.score == pytest.approx(wrapped.raw["probability"])
    assert client.predict("party", {"votes": votes}) == wrapped
    assert client.predict("party", [votes, votes]) == [wrapped, wrapped]


def test_a_body_of_several_rows_is_no_single_input(client: servery.Client) -> None:
    body = {"members": [{"crime": "yea"}, {"crime": "nay"}]}
    with pytest.raises(servery.InvalidInput, match="received 2 predictions for it"):
        client.predict("party", body)


def test_an_error_has_the_server_s_words_and_its_request_id(
    server: Server, client: servery.Client
) -> None:
    with pytest.raises(servery.InvalidInput) as caught:
        client.predict("mammogram", {"age": 5})

    error = caught.value
    assert "expected a whole number of years from 18 to 120" in str(error)
    assert (error.status, error.code) == (422, "invalid_input")
    assert error.details[0]["field"] == "age"
    until(lambda: bool(server.log_lines(request_id=error.request_id)))


@pytest.mark.parametrize(
    ("call", "kind", "code"),
    [
        (lambda c: c.predict("digits", SEVEN, version=9), "NotFound",
         "version_not_found"),
        (lambda c: c.model("nobody"), "NotFound", "model_not_found"),
        (lambda c: c.infer("nobody", {"x": [1.0]}), "NotFound", "model_not_found"),
        (lambda c: c.infer("sine", {"z": [1.0]}), "InvalidInput", "invalid_input"),
        (lambda c: c.infer("sine", {"x": [1.0]}, signature="no"), "NotFound",
         "signature_not_found"),
        (lambda c: c.generate("clothing", category="hat"), "InvalidInput",
         "invalid_input"),
        (lambda c: c.predict("digits", b"no image"), "InvalidInput", "invalid_image"),
        (lambda c: c.predict("digits", SEVEN, timeout_s=90), "InvalidInput",
         "invalid_input"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_an_error_of_one_tree(
    call: Any, kind: str, code: str, client: servery.Client
) -> None:
    with pytest.raises(getattr(servery, kind)) as caught:
        call(client)
    assert isinstance(caught.value, servery.ServeryError)
    assert caught.value.code == code


def test_tensors_go_and_come_as_they_are(client: servery.Client) -> None:
    angles = np.linspace(-3, 3, 7)

    found = client.infer("sine", {"x": angles})["y"]

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.sin(angles), atol=0.02)
    whole = client.infer("sine", {"x": [0, 1]}, version=1, outputs=["y"])
    np.testing.assert_allclose(whole["y"], np.sin([0, 1]), atol=0.02)


def test_texts_are_tensors_too(client: servery.Client) -> None:
    found = client.infer("sentiment", {"text": ["I loved it.", b"Dull and long."]})
    probability = next(each for each in found.values() if each.dtype == np.float32)
    assert probability.ravel()[0] > 0.5 > probability.ravel()[1]


def test_images_are_drawn_again_by_their_seed(client: servery.Client) -> None:
    drawn = client.generate("clothing", category="sandal", count=3, seed=7)
    again = client.generate("clothing", category="sandal", count=3, seed=drawn.seed)

    assert [each.size for each in drawn] == [(28, 28)] * 3
    assert [each.tobytes() for each in again] == [each.tobytes() for each in drawn]
    assert (drawn.model, drawn.seed, len(drawn)) == ("clothing_vae", 7, 3)


def test_models_are_listed_and_described(client: servery.Client) -> None:
    listed = {each.name: each for each in client.models()}
    assert listed["digits"].versions == tuple(DIGITS_VERSIONS[-2:])
    assert client.model("digits").raw["versions"][0]["manifest"]["labels"]


def test_who_waits_for_a_model_is_told_when_it_is_there(
    client: servery.Client, server: Server
) -> None:
    async def wait() -> servery.Model:
        async with servery.AsyncClient(server.url) as other:
            return await other.wait_for("digits")

    before = DIGITS_VERSIONS[-2]
    assert client.wait_for("digits", version=before).version == NEWEST_DIGITS
    assert asyncio.run(wait()).version == NEWEST_DIGITS
    with pytest.raises(servery.DeadlineExceeded, match=f"{before} ready"):
        client.wait_for("digits", version=99, timeout_s=0.1)


def test_the_deadline_is_told_to_the_server(server: Server) -> None:
    client = servery.Client(server.url, timeout_s=0.001, retries=0)
    with client, pytest.raises(servery.DeadlineExceeded) as caught:
        client.predict("sentiment", "word " * 2000)
    assert caught.value.code == "deadline_exceeded"


def test_a_thousand_images_by_eight_at_a_time(
    client: servery.Client, sample: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    paths, labels = write_digits(tmp_path, sample, 1000)

    predictions = client.predict("digits", paths, concurrency=8, progress=True)

    assert (
        np.mean([e.digit == n for e, n in zip(predictions, labels, strict=True)]) > 0.9
    )


def write_digits(
    folder: Path, sample: tuple[np.ndarray, np.ndarray], count: int
) -> tuple[list[Path], list[int]]:
    images, labels = sample
    paths = [folder / f"{row:04}.png" for row in range(count)]
    for row, path in enumerate(paths):
        path.write_bytes(to_png(images[row % len(images)]))
    return paths, [int(labels[row % len(images)]) for row in range(count)]


def test_nobody_at_the_url_is_said_soon_and_plainly() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    client = servery.Client(url, retries=1)
    with client, pytest.raises(servery.ConnectionFailed, match="servery serve"):
        client.predict("digits", SEVEN)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x", "", "http://", "http://x?y"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(servery.InvalidInput, match="expected http://host:port"):
        servery.Client(url)


def test_another_server_than_ours_is_named() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, html="<h1>It works!</h1>")

    client = servery.Client("http://x", transport=httpx.MockTransport(answer))
    with (
        client,
        pytest.raises(servery.ServerFailed, match="an answer as Servery gives"),
    ):
        client.models()


def test_a_prefix_of_a_proxy_headers_and_a_key_go_with_every_request() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"models": []})

    with servery.Client(
        "http://x/servery/",
        api_key="secret",
        headers={"x-tenant": "a"},
        timeout_s=1.5,
        transport=httpx.MockTransport(answer),
    ) as client:
        client.models()
        assert "secret" not in repr(client)
    assert seen[0].url == "http://x/servery/v1/models"
    said = {"authorization": "Bearer secret", "x-tenant": "a",
            "x-request-timeout-ms": "1500"}  # fmt: skip
    assert said.items() <= dict(seen[0].headers).items()


def test_it_waits_as_long_as_the_server_asks_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("servery.client.client.time.sleep", waited.append)
    headers = [{"retry-after": "2"}, {"retry-after": "3"}, {"retry-after": "60"}]
    answers = iter(headers)

    def answer(request: httpx.Request) -> httpx.Response:
        error = {"error": "full", "code": "queue_full", "request_id": "r"}
        return httpx.Response(503, json=error, headers=next(answers))

    client = servery.Client("http://x", transport=httpx.MockTransport(answer))
    with client, pytest.raises(servery.Unavailable, match="full") as caught:
        client.models()
    assert [2 <= waited[0] <= 2.5, 3 <= waited[1] <= 3.75, len(waited)] == [1, 1, 2]
    assert (caught.value.retry_after_s, caught.value.code) == (60, "queue_full")


def test_a_call_that_may_change_something_is_not_sent_twice() -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        if request.method == "GET":
            return httpx.Response(404, json={"error": "?", "code": "model_not_found"})
        raise httpx.RemoteProtocolError("server disconnected")

    client = servery.Client("http://x", transport=httpx.MockTransport(answer))
    with client, pytest.raises(servery.ConnectionFailed, match="broke off"):
        client.infer("m", {"x": [1.0]})
    assert sent == ["GET", "POST"]


@pytest.mark.slow
def test_a_saturated_service_is_asked_again_until_all_are_answered(
    digits: Path, tmp_path: Path
) -> None:
    settings = {"artifacts": digits, "http_processes": 1, "max_in_flight": 1}
    with Server(tmp_path / "log", **settings) as server:
        server.wait_ready()
        with servery.Client(server.url) as client:
            found = client.predict("digits", [SEVEN] * 24, concurrency=3)
        assert [each.digit for each in found] == [7] * 24
        until(lambda: len(server.log_lines(status=200, model="digits")) >= 24)
        assert server.log_lines(status=503)


@pytest.mark.slow
def test_what_is_done_stays_when_the_server_goes(digits: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", artifacts=digits, http_processes=1) as server:
        server.wait_ready()
        with servery.Client(server.url, retries=0) as client:
            outcomes = client.predict_each(
                "digits", [SEVEN] * 200, concurrency=2, return_errors=True
            )
            first = [next(outcomes) for _ in range(20)]
            server.process.send_signal(signal.SIGINT)
            server.process.wait(60)
            rest = list(outcomes)
    assert all(isinstance(each, servery.Prediction) for each in first)
    assert len(rest) == 180
    assert isinstance(rest[-1], servery.ConnectionFailed)


@pytest.mark.slow
def test_models_of_strange_names_are_called(tmp_path: Path) -> None:
    names = ["größe 1", "a%2Fb", "what?#", "x:predict", "+&="]
    for name in names:
        folder = tmp_path / "artifacts" / name / "1"
        source = ARTIFACTS / "sine" / "1"
        shutil.copytree(source / "variables", folder / "variables")
        shutil.copyfile(source / "saved_model.pb", folder / "saved_model.pb")
    with Server(tmp_path / "log", artifacts=tmp_path / "artifacts") as server:
        server.wait_ready()
        with servery.Client(server.url) as client:
            assert sorted(each.name for each in client.models()
                          if each.versions) == sorted(names)  # fmt: skip
            for name in names:
                found = client.infer(name, {"x": [0.0]}, version=1)
                assert found["y"] == pytest.approx(0, abs=0.02)


def test_no_thread_or_connection_is_left(server: Server) -> None:
    before = threading.active_count()
    for _ in range(20):
        with servery.Client(server.url) as client:
            next(client.predict_each("digits", [SEVEN] * 3))
    assert threading.active_count() == before


def test_one_that_awaits_answers_the_same(
    server: Server, client: servery.Client, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    async def ask() -> list[Any]:
        async with servery.AsyncClient(server.url) as other:
            assert (await other.predict("digits", SEVEN)).digit == 7
            assert (await other.infer("sine", {"x": [0.0]}))["y"].shape == (1,)
            assert len(await other.generate("clothing", count=2, seed=1)) == 2
            assert {each.name for each in await other.models()} >= {"digits"}
            with pytest.raises(servery.NotFound):
                await other.model("nobody")
            masses = [{"age": 57}, {"age": 5}]
            each = other.predict_each("mammogram", masses, return_errors=True)
            kinds = [type(one) async for one in each]
            assert kinds == [servery.Prediction, servery.InvalidInput]
            found: list[Any] = await other.predict("digits", list(sample[0][:30]))
            return found

    assert asyncio.run(ask()) == client.predict("digits", list(sample[0][:30]))


def test_who_cancels_leaves_nothing_behind_and_may_go_on(server: Server) -> None:
    async def ask() -> None:
        async with servery.AsyncClient(server.url) as client:
            work = asyncio.create_task(client.predict("digits", [SEVEN] * 500))
            await client.predict("digits", [SEVEN] * 10)  # meanwhile
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert (await client.predict("digits", SEVEN)).digit == 7

    asyncio.run(ask())


def test_a_deadline_of_asyncio_ends_a_call(server: Server) -> None:
    async def ask() -> None:
        async with servery.AsyncClient(server.url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.predict("digits", [SEVEN] * 2000)

    asyncio.run(ask())
