"""Texts on the real service: streams, callers who hang up or do not read, crowds."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from google.protobuf.message_factory import GetMessageClass
from huggingface_hub import InferenceClient
from huggingface_hub.errors import IncompleteGenerationError, ValidationError

import servery
from loadtest.target import Target
from service.rpc.inference import SERVICE
from tests.e2e.server import Server, free_port, settle, until
from tests.tasks.test_writing import read_events
from tests.tasks.writers import TASK, compose, write_letters

pytestmark = pytest.mark.slow

PATH = "/v1/generate/letter"
EVENTS = {"accept": "text/event-stream"}
INFER = SERVICE.methods_by_name["ModelStreamInfer"]
LONG = 900_000  # characters: more than anybody waits for


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    write_letters(folder, max_length=1_000_000)
    return folder


@pytest.fixture(scope="module")
def server(
    artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with Server(
        tmp_path_factory.mktemp("log") / "log",
        artifacts=artifacts,
        runtime="tensorflow",  # which is there sooner
        grpc_port=free_port(),
        http_processes=2,
        max_text_characters=1_000_000,
        max_texts=40,
        max_unread_characters=500,
        max_timeout_ms=300_000,
    ) as server:
        server.wait_ready()
        yield server


def counted(server: Server, name: str) -> float:
    """The sum of a metric over its labels that are told."""
    settle()
    lines = server.client.get("/metrics").text.splitlines()
    values = [line.rpartition(" ")[2] for line in lines if line.startswith(name)]
    return sum(map(float, values))


def drawn(server: Server) -> float:
    return counted(server, "servery_text_characters_total")


def under_way(server: Server) -> float:
    return counted(server, "servery_texts_under_way")


def request(body: dict[str, Any], *, timeout_ms: int = 60_000) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nX-Request-Timeout-Ms: {timeout_ms}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def open_stream(
    server: Server, body: dict[str, Any], *, buffer: int = 0, timeout_ms: int = 60_000
) -> Any:
    """A connection on which a text is being written."""
    where = urlsplit(server.url)
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(30)
    connection.connect((where.hostname, where.port))
    connection.sendall(request(body, timeout_ms=timeout_ms))
    return connection


def test_a_crowd_of_streams_gets_what_each_would_alone(server: Server) -> None:
    async def ask() -> list[str]:
        async with httpx.AsyncClient(
            base_url=server.url, timeout=60, trust_env=False
        ) as client:
            bodies = [{"seed": seed, "length": 60 + seed} for seed in range(24)]
            headers = EVENTS | {"x-request-timeout-ms": "60000"}
            calls = [client.post(PATH, json=each, headers=headers) for each in bodies]
            return [answer.text for answer in await asyncio.gather(*calls)]

    for seed, content in enumerate(asyncio.run(ask())):
        events = read_events(content)
        text = "".join([told.get("text", "") for _, told in events])
        assert text == compose(seed=seed, length=60 + seed)
        assert [kind for kind, _ in events[-2:]] == ["finish", "end"]


def test_a_crowd_shares_batches(server: Server) -> None:
    batches, characters = (
        counted(server, 'servery_batch_rows_count{model="scribe"}'),
        drawn(server),
    )
    answer = server.client.post(PATH, json={"seed": 1, "count": 16, "length": 200})
    assert len(answer.json()["texts"]) == 16
    more = counted(server, 'servery_batch_rows_count{model="scribe"}') - batches
    assert drawn(server) - characters == 16 * 200
    assert more < 16 * 200 / 3  # of at most 4 rows


def test_a_text_comes_piece_by_piece(server: Server) -> None:
    connection = open_stream(server, {"length": LONG, "seed": 1})
    got = b""
    while got.count(b'"index"') < 50:
        got += connection.recv(4096)
    assert b"event: end" not in got
    connection.close()
    until(lambda: under_way(server) == 0)


def test_who_hangs_up_costs_nothing_more(server: Server) -> None:
    connection = open_stream(server, {"length": LONG, "seed": 2, "count": 1})
    connection.recv(4096)
    connection.close()
    until(lambda: under_way(server) == 0, 5)
    before = drawn(server)
    settle()
    assert drawn(server) == before
    until(lambda: bool(server.log_lines(code="client_disconnected", path=PATH)))


def test_who_hangs_up_on_a_whole_answer_costs_nothing_more(server: Server) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.url + PATH, json={"length": LONG}, timeout=1, trust_env=False)
    until(lambda: under_way(server) == 0, 5)
    before = drawn(server)
    settle()
    assert drawn(server) == before


def test_who_does_not_read_is_dropped_and_nothing_is_kept_for_it(
    server: Server,
) -> None:
    before = counted(server, 'servery_connections_dropped_total{reason="unread"}')
    characters = drawn(server)
    body = {"length": LONG, "seed": 3}
    connection = open_stream(server, body, buffer=4096, timeout_ms=300_000)
    until(lambda: under_way(server) == 1)
    until(lambda: under_way(server) == 0, 240, every_s=0.2)
    dropped = counted(server, 'servery_connections_dropped_total{reason="unread"}')
    assert dropped == before + 1
    assert drawn(server) - characters < LONG / 10  # what 48 kB hold, in large events
    connection.close()


def test_a_deadline_ends_a_stream_and_says_so(server: Server) -> None:
    headers = EVENTS | {"x-request-timeout-ms": "700"}
    began = time.monotonic()
    answer = server.client.post(PATH, json={"length": LONG, "seed": 4}, headers=headers)
    assert time.monotonic() - began < 5
    assert answer.status_code == 200
    events = read_events(answer.text)
    text = "".join([told.get("text", "") for _, told in events])
    assert text == compose(seed=4, length=len(text))
    assert events[-2] == ("finish", {"index": 0, "finish_reason": "deadline"})


def test_a_deadline_of_a_whole_answer_is_an_error(server: Server) -> None:
    headers = {"x-request-timeout-ms": "300"}
    answer = server.client.post(PATH, json={"length": LONG}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert under_way(server) == 0


def test_more_texts_than_may_be_written_are_refused_at_once(server: Server) -> None:
    connection = open_stream(server, {"length": 20_000, "seed": 5, "count": 32})
    connection.recv(4096)
    answer = server.client.post(PATH, json={"count": 32, "length": 100})
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    assert answer.headers["retry-after"]
    connection.close()
    until(lambda: under_way(server) == 0, 10)


def test_who_asks_for_too_much_is_told_how_much_there_is(server: Server) -> None:
    for body, status in (
        ({"length": 0}, 422),
        ({"length": 10**9}, 422),
        ({"length": 10**6, "count": 2}, 413),
        ({"prompt": "☃"}, 400),
        ({"prompt": "x" * 10**6}, 422),
    ):
        for headers in ({}, EVENTS):
            answer = server.client.post(PATH, json=body, headers=headers)
            assert answer.status_code == status, answer.text
            assert "expected" in answer.json()["error"].lower()
            assert len(answer.content) < 4000


def test_a_prediction_is_not_held_up_by_texts(server: Server) -> None:
    connection = open_stream(server, {"length": 20_000, "seed": 6, "count": 16})
    connection.recv(4096)
    answer = server.client.post(PATH, json={"length": 1, "seed": 1})
    assert answer.json()["texts"][0]["text"] == compose(seed=1, length=1)
    assert server.client.get("/readyz").status_code == 200
    connection.close()
    until(lambda: under_way(server) == 0, 10)


def test_our_client_asks_for_texts_and_reads_along(server: Server) -> None:
    with servery.Client(server.url) as client:
        asked: dict[str, Any] = {"prompt": "dear", "seed": 3, "length": 50, "count": 2}
        texts = client.generate("letter", **asked, mood="unkind")
        assert list(texts) == [
            compose(prompt="dear", seed=3, length=50, mood="unkind", index=index)
            for index in range(2)
        ]
        assert texts.seed == 3
        pieces = list(client.stream("letter", **asked, mood="unkind"))
        for index, text in enumerate(texts):
            own = [each for each in pieces if each.index == index]
            assert "".join(each.text for each in own) == text
            assert own[-1].finish_reason == "length"
        with pytest.raises(servery.InvalidInput, match="greater than"):
            next(client.stream("letter", length=0))
        with contextlib.closing(client.stream("letter", length=LONG)) as stream:
            assert next(stream).text
    until(lambda: under_way(server) == 0, 10)


def test_our_client_reads_along_without_waiting(server: Server) -> None:
    async def read() -> str:
        async with servery.AsyncClient(server.url) as client:
            pieces = client.stream("letter", seed=4, length=30)
            return "".join([each.text async for each in pieces])

    assert asyncio.run(read()) == compose(seed=4, length=30)


def test_a_load_test_sends_the_examples_to_what_it_writes(server: Server) -> None:
    found = Target(server.url).declared(["scribe"])["scribe"]
    assert found.path == PATH
    assert [json.loads(each.content) for each in found.bodies] == [
        each["request"] for each in TASK["examples"]
    ]


def test_hugging_faces_client_asks_for_texts(server: Server) -> None:
    hub = InferenceClient(model=f"{server.url}/hf/scribe", timeout=60)
    asked: dict[str, Any] = {"max_new_tokens": 50, "seed": 3, "do_sample": True}
    text = compose(prompt="dear", seed=3, length=50, temperature=1)
    assert hub.text_generation("dear", **asked) == text
    assert "".join(hub.text_generation("dear", **asked, stream=True)) == text
    whole = hub.text_generation("dear", **asked, details=True)
    pieces = list(hub.text_generation("dear", **asked, details=True, stream=True))
    assert whole.details is not None
    assert pieces[-1].details is not None
    assert whole.generated_text == pieces[-1].generated_text == text
    assert [each.token.id for each in pieces] == [
        each.id for each in whole.details.tokens
    ]
    assert pieces[-1].details.finish_reason == whole.details.finish_reason == "length"
    usual = compose(prompt="dear", length=100, temperature=0)
    assert hub.text_generation("dear", return_full_text=True) == "dear" + usual


def test_hugging_faces_client_is_told_what_was_wrong(server: Server) -> None:
    hub = InferenceClient(model=f"{server.url}/hf/scribe", timeout=60)
    with pytest.raises(ValidationError, match="U\\+2603"):
        hub.text_generation("☃")
    with pytest.raises(ValidationError, match="top_p"):
        list(hub.text_generation("dear", top_p=0.5, stream=True))
    late = InferenceClient(
        model=f"{server.url}/hf/scribe", headers={"X-Request-Timeout-Ms": "300"}
    )
    with pytest.raises(IncompleteGenerationError):
        list(late.text_generation("dear", max_new_tokens=LONG, stream=True))


def infer_text(server: Server, *prompts: str, timeout: float = 60, **asked: Any) -> Any:
    """What the stream of gRPC answers to texts that are asked for in it."""
    request: Any = GetMessageClass(INFER.input_type)
    answer: Any = GetMessageClass(INFER.output_type)
    kinds = {int: "int64_param", float: "double_param", str: "string_param"}
    messages = []
    for prompt in prompts:
        message = request(model_name="scribe", id=prompt)
        tensor = message.inputs.add(name="text_input", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(prompt.encode())
        for name, value in asked.items():
            setattr(message.parameters[name], kinds[type(value)], value)
        messages.append(message)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        yield from call(iter(messages), timeout=timeout)


def text_of(answers: list[Any]) -> str:
    return "".join(
        each.infer_response.outputs[0].contents.bytes_contents[0].decode()
        for each in answers
        if each.infer_response.outputs
    )


def test_texts_come_over_grpcs_stream(server: Server) -> None:
    answers = list(infer_text(server, "dear", seed=3, length=900, mood="unkind"))
    assert text_of(answers) == compose(prompt="dear", seed=3, length=900, mood="unkind")
    assert len(answers) > 5
    reasons = [
        each.infer_response.parameters["finish_reason"].string_param
        for each in answers
        if "finish_reason" in each.infer_response.parameters
    ]
    assert reasons == ["length"]
    final = [
        each.infer_response.parameters["triton_final_response"].bool_param
        for each in answers
    ]
    assert final == [False] * (len(answers) - 1) + [True]
    assert {each.infer_response.id for each in answers} == {"dear"}


def test_a_wrong_text_in_grpcs_stream_ends_nothing_but_itself(server: Server) -> None:
    wrong, *answers = infer_text(server, "☃", "sir", seed=1, length=20)
    assert "U+2603" in wrong.error_message
    assert text_of(answers) == compose(prompt="sir", seed=1, length=20)
    (wrong,) = infer_text(server, "sir", length=0)
    assert "greater than or equal to 1" in wrong.error_message
    (wrong,) = infer_text(server, "sir", length=10**9)
    assert "less than or equal to 1000000" in wrong.error_message


def test_who_hangs_up_on_grpcs_stream_costs_nothing_more(server: Server) -> None:
    answers = infer_text(server, "", length=LONG)
    assert next(answers).infer_response.outputs
    answers.close()
    until(lambda: under_way(server) == 0, 5)


def test_a_deadline_ends_grpcs_stream(server: Server) -> None:
    try:  # whose clock is first is not known
        *_, end, _ = infer_text(server, "", length=LONG, timeout=0.5)
        reason = end.infer_response.parameters["finish_reason"].string_param
        assert reason == "deadline"
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: under_way(server) == 0, 5)


def test_an_engine_that_dies_ends_a_stream_with_an_error(server: Server) -> None:
    connection = open_stream(server, {"length": LONG, "seed": 7})
    connection.recv(4096)
    os.kill(server.child("engine"), signal.SIGKILL)
    got = b""
    while b"event: error" not in got or not got.endswith(b"0\r\n\r\n"):
        data = connection.recv(65_536)
        assert data
        got += data
    assert b'"code":"engine_gone"' in got
    connection.close()
    until(lambda: not server.is_ready())  # the other HTTP process may see it later
    server.wait_ready()
    answer = server.client.post(PATH, json={"seed": 8})
    assert answer.json()["texts"][0]["text"] == compose(seed=8)


def test_a_service_that_ends_finishes_its_texts(
    artifacts: Path, tmp_path: Path
) -> None:
    with Server(tmp_path / "log", artifacts=artifacts, http_processes=1) as server:
        server.wait_ready()
        with open_stream(server, {"length": 3000, "seed": 9}) as connection:
            got = connection.recv(4096)
            server.process.send_signal(signal.SIGTERM)
            while data := connection.recv(65_536):
                got += data
        assert b"event: end" in got
        assert server.process.wait(60) == 0
