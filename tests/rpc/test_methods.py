"""What all RPCs share: limits, deadlines, cancellation, identity, log and metrics."""

import gc
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from service.contract.contract import from_manifest
from service.engine.batching.batcher import Answer
from service.errors import ModelNotReady
from service.rpc.call import contract_of
from service.rpc.generated import open_inference_pb2 as protocol
from service.rpc.inference import SERVICE
from service.rpc.wire import MOST_WORK
from tests.rpc.serving import Serving, make_engine, refused
from tests.rpc.test_inference import infer, pairs, typed_request

BODY_BYTES = 2_000_000
INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
NOT_FOUND = grpc.StatusCode.NOT_FOUND
TOO_LATE = grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Serving]:
    """A server that takes two requests at a time, of two megabytes each."""
    settings = {"max_in_flight": 2, "max_body_bytes": BODY_BYTES}
    started = Serving(make_engine(tmp_path), drain_timeout_s=30, **settings)
    yield started
    started.close()


def start(serving: Serving, **options: Any) -> Any:
    """A request that waits for its answer, once the engine has it."""
    future = serving.rpc(SERVICE, "ModelInfer").future(pairs(), **options)
    assert serving.engine.arrived.acquire(timeout=30)
    return future


def live(serving: Serving) -> bool:
    answer = serving.call(SERVICE, "ServerLive", protocol.ServerLiveRequest())
    return bool(answer.live)


def test_more_requests_than_may_be_in_flight_are_refused_at_once(
    narrow: Serving,
) -> None:
    narrow.engine.held = True
    waiting = [start(narrow) for _ in range(2)]
    refused(UNAVAILABLE, "Too many", call=lambda: infer(narrow, pairs()))
    assert live(narrow)  # which is asked above all when nothing else is answered
    for each in waiting:
        each.cancel()
        assert narrow.engine.cancelled.acquire(timeout=30)
    narrow.engine.held = False
    assert infer(narrow, pairs()).outputs


def test_a_refused_message_is_kept_by_nothing(serving: Serving) -> None:
    message, strange = b"\xff" * 100_000, pairs()
    strange.model_name = "strange"
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            refused(INVALID, call=lambda: serving.call(SERVICE, "ModelInfer", message))
            refused(NOT_FOUND, call=lambda: infer(serving, strange))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        frames = [each for each in gc.garbage if isinstance(each, types.FrameType)]
        assert not [
            each for each in frames if "/service/rpc/" in each.f_code.co_filename
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_rpcs_of_all_kinds_have_a_limit(narrow: Serving) -> None:
    most, ended = 2 * 2 + 64, threading.Event()
    another = narrow.connect()  # one has fewer streams
    rpcs = [narrow.rpc(SERVICE, "ModelStreamInfer", each) for each in (None, another)]

    def ask_and_rest() -> Iterator[Any]:
        yield pairs()
        ended.wait(60)

    streams = [rpcs[number % 2](ask_and_rest()) for number in range(most)]
    for each in streams:
        assert next(each).infer_response.outputs
    refused(EXHAUSTED, call=lambda: live(narrow))
    ended.set()
    for each in streams:
        assert list(each) == []
    another.close()
    assert live(narrow)


def test_a_caller_that_hangs_up_takes_its_rows_back(narrow: Serving) -> None:
    narrow.engine.held = True
    waiting = start(narrow)
    waiting.cancel()
    assert narrow.engine.cancelled.acquire(timeout=30)
    narrow.engine.held = False
    infer(narrow, pairs())
    line = narrow.log()[0]
    assert (line["status"], line["code"]) == (499, "client_disconnected")
    assert narrow.state.accounting.in_flight == 0


def test_the_callers_deadline_is_the_engines(narrow: Serving) -> None:
    def given(timeout: float | None) -> tuple[float, float]:
        """The least and the most that the engine may have been given, in seconds."""
        before = time.monotonic()
        infer(narrow, pairs(), timeout=timeout)
        deadline = narrow.engine.last[4]
        return deadline - time.monotonic(), deadline - before

    rounding = 0.1
    for timeout, expected in (
        (5.0, 5.0),
        (10_000.0, narrow.settings.max_timeout_ms / 1000),
        (None, narrow.settings.timeout_ms / 1000),
    ):
        least, most = given(timeout)
        assert least - rounding < expected < most + rounding


def test_a_deadline_that_passes_ends_the_request_here_too(narrow: Serving) -> None:
    narrow.engine.held = True
    refused(TOO_LATE, call=lambda: infer(narrow, pairs(), timeout=0.2))
    assert narrow.engine.cancelled.acquire(timeout=30)
    assert narrow.state.accounting.in_flight == 0


def test_an_engine_that_gives_up_says_so(narrow: Serving) -> None:
    late = pairs()
    late.parameters["timeout"].int64_param = 1
    refused(TOO_LATE, "time was up", call=lambda: infer(narrow, late))


def test_a_message_over_the_limit_is_refused(narrow: Serving) -> None:
    large = protocol.ModelInferRequest(raw_input_contents=[bytes(BODY_BYTES)])
    refused(EXHAUSTED, str(BODY_BYTES), call=lambda: infer(narrow, large))


def test_metadata_has_a_limit(narrow: Serving) -> None:
    large = [("x-long", "a" * 20_000)]
    refused(EXHAUSTED, call=lambda: infer(narrow, pairs(), metadata=large))
    assert infer(narrow, pairs()).outputs


def test_a_compressed_message_is_as_long_as_what_comes_out(narrow: Serving) -> None:
    bomb = protocol.ModelInferRequest(raw_input_contents=[bytes(50 * BODY_BYTES)])
    refused(
        EXHAUSTED,
        call=lambda: infer(narrow, bomb, compression=grpc.Compression.Gzip),
    )
    assert infer(narrow, pairs(), compression=grpc.Compression.Gzip).outputs


def test_a_message_that_is_all_structure_is_refused_before_it_is_parsed(
    narrow: Serving,
) -> None:
    empties = b"\x2a\x00" * (BODY_BYTES // 2 - 1)
    refused(INVALID, "raw bytes", call=lambda: infer(narrow, empties))
    integers = typed_request(np.ones(MOST_WORK + 1, np.int8), "INT8", "int8")
    refused(INVALID, "raw bytes", call=lambda: infer(narrow, integers))


def test_a_long_message_of_typed_floats_is_read(narrow: Serving) -> None:
    floats = typed_request(np.ones((100_000, 2), np.float32), "FP32")
    assert len(infer(narrow, floats).outputs[0].contents.fp32_contents) == 200_000


@pytest.mark.parametrize("length", [10, 100_000])
def test_bytes_that_are_no_message_are_the_callers_fault(
    narrow: Serving, length: int
) -> None:
    refused(
        INVALID,
        "inference.ModelInferRequest",
        call=lambda: infer(narrow, b"\xff" * length),
    )


def test_what_nobody_foresaw_is_internal_and_told_to_the_log_alone(
    narrow: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("secret")

    narrow.engine.compute = fail
    error: Any = refused(
        grpc.StatusCode.INTERNAL, "the log", call=lambda: infer(narrow, pairs())
    )
    assert "secret" not in error.details()
    assert "secret" in caplog.text
    (name,) = [
        value for key, value in error.trailing_metadata() if key == "x-request-id"
    ]
    assert name in caplog.text


def test_a_request_has_the_callers_id_and_its_times_in_the_answer(
    narrow: Serving,
) -> None:
    rpc = narrow.rpc(SERVICE, "ModelInfer")
    _, call = rpc.with_call(pairs(), metadata=[("x-request-id", "mine")])
    told = dict(call.trailing_metadata())
    assert told["x-request-id"] == "mine"
    assert "compute;dur=2.00" in told["server-timing"]


def test_requests_are_logged_and_counted_by_method_and_known_models(
    narrow: Serving,
) -> None:
    infer(narrow, pairs())
    stranger = pairs()
    stranger.model_name = "made-up"
    refused(grpc.StatusCode.NOT_FOUND, call=lambda: infer(narrow, stranger))
    good, bad = narrow.log()
    path = "/inference.GRPCInferenceService/ModelInfer"
    assert good.items() >= {
        "path": path, "status": 200, "model": "echo", "version": 2, "rows": 2,
    }.items()  # fmt: skip
    assert (bad["status"], bad["code"], bad["model"]) == (404, "model_not_found", None)
    text = narrow.state.metrics.exposition().decode()
    labels = f'model="echo",route="{path}",status="200"'
    assert f"servery_request_seconds_count{{{labels}}} 1.0" in text
    assert 'servery_queue_seconds_count{model="echo"} 1.0' in text
    assert "made-up" not in text


def test_methods_that_are_not_there_are_unimplemented(narrow: Serving) -> None:
    call = narrow.channel.unary_unary("/inference.GRPCInferenceService/Nothing")
    refused(grpc.StatusCode.UNIMPLEMENTED, call=lambda: call(b""))


def test_what_is_under_way_is_finished_and_nothing_new_is_taken(
    narrow: Serving,
) -> None:
    narrow.engine.held = True
    waiting = start(narrow)
    left = narrow.leave()
    with narrow.connect() as another, pytest.raises(grpc.RpcError) as refusal:
        while True:  # until it has heard of it
            narrow.rpc(SERVICE, "ServerLive", another)(b"", timeout=30)
    error: Any = refusal.value
    assert error.code() in (UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert not left.done()
    future = narrow.engine.submitted[0][1]
    answer = make_answer(narrow)
    future.get_loop().call_soon_threadsafe(future.set_result, answer)
    assert waiting.result(30).outputs
    left.result(30)


def make_answer(serving: Serving) -> Any:
    return Answer(serving.engine.last[3], 0, 0, 2, 2)


def test_a_version_has_the_contract_of_its_status_or_of_its_manifest(
    narrow: Serving,
) -> None:
    status = narrow.engine.catalog.find("echo", 1)
    contract = contract_of(status)
    assert contract.signatures == status.manifest.signatures  # type: ignore[union-attr]

    class Newer:
        contract = from_manifest(status.manifest)  # type: ignore[arg-type]

    newer: Any = Newer()
    assert contract_of(newer) is newer.contract
    failed = narrow.engine.catalog.model("broken").versions[0]
    with pytest.raises(ModelNotReady, match="failed"):
        contract_of(failed)
