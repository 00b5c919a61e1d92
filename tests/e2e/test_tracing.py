"""Requests by every protocol, and the spans that a collector receives of them."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from service.rpc import inference, prediction
from service.rpc.generated import open_inference_pb2 as open_inference
from service.tracing.export import EXPORTER
from service.web.api.v2.datatypes import to_raw
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.server import Server, free_port, until
from tests.tracing.collecting import Collecting, Span

ERROR, UNSET = 2, 0
pytestmark = pytest.mark.slow

NAME = "POST /v1/predict/{name}"
SPANS = ("decode", "queue", "compute", "encode")
TENSOR = {"name": "x", "shape": [1], "datatype": "FP32", "data": [0.5]}
DOORS: dict[str, Any] = {
    "/v1/predict/sine": {"record": {"x": 0.5}},
    "/hf/sine": {"table": {"x": [0.5]}},
    "/v2/models/sine/infer": {"inputs": [TENSOR]},
    "/v2/models/sine/versions/2/infer": {"inputs": [TENSOR]},
    "/v1/models/sine:predict": {"instances": [0.5]},
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with Collecting(tmp_path_factory.mktemp("collector") / "spans") as started:
        yield started


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One version, so that a server is there soon."""
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "sine").mkdir()
    version = folder / "sine" / "2"
    version.symlink_to(ARTIFACTS / "sine" / "2", target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory, artifacts: Path, collector: Collecting
) -> Iterator[Server]:
    """A server that traces whose caller wants it, and sends spans every 50 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        log = tmp_path_factory.mktemp("log") / "log"
        port = free_port()
        with Server(log, artifacts=artifacts, grpc_port=port, tracing=True) as started:
            started.wait_ready()
            yield started


class Caller:
    """One span of a caller, and what it sends."""

    def __init__(self, *, is_sampled: bool = True):
        number = next(_numbers)
        self.trace, self.span = f"{number:032x}", f"{number + 4096:016x}"
        self.header = f"00-{self.trace}-{self.span}-{int(is_sampled):02}"

    def headers(self) -> dict[str, str]:
        return {"traceparent": self.header, "tracestate": "caller=1"}


def infer(server: Server, caller: Caller) -> None:
    request = open_inference.ModelInferRequest(
        model_name="sine", raw_input_contents=[to_raw(np.array([0.5], np.float32))]
    )
    request.inputs.add(name="x", datatype="FP32", shape=[1])
    call(server, inference.SERVICE, "ModelInfer", request, caller)


def predict(server: Server, caller: Caller) -> None:
    request = prediction.SERVICE.methods_by_name["Predict"].input_type._concrete_class()
    request.model_spec.name = "sine"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(0.5)
    call(server, prediction.SERVICE, "Predict", request, caller)


def call(
    server: Server, service: Any, method: str, request: Any, caller: Caller
) -> None:
    """Have it answered by gRPC."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        ask = channel.unary_unary(f"/{service.full_name}/{method}")
        _, told = ask.with_call(
            request.SerializeToString(), metadata=list(caller.headers().items())
        )
    answer = dict(told.trailing_metadata())["traceresponse"]
    assert answer.startswith(f"00-{caller.trace}-")


def check_trace(collector: Collecting, caller: Caller, name: str) -> Span:
    """See that the spans of a request are whole; the uppermost of ours."""
    spans = collector.trace(caller.trace, name, *SPANS)
    root = spans.pop(name)
    assert spans.keys() == set(SPANS)
    assert root["parent"] == caller.span
    assert root["state"] == "caller=1"
    assert {each["parent"] for each in spans.values()} == {root["id"]}
    assert spans["decode"]["ended"] <= spans["encode"]["began"]
    assert spans["queue"]["ended"] == spans["compute"]["began"]
    (batch,) = collector.wait(name="batch", links=[root["id"]])
    assert spans["compute"]["links"] == [batch["id"]]
    collector.wait(name="compute", parent=batch["id"])
    assert root["facts"]["servery.model"] == "sine"
    assert root["facts"]["servery.rows"] == root["facts"]["servery.batch_rows"] == 1
    assert root["status"] == UNSET
    return root


@pytest.mark.parametrize("path", DOORS)
def test_a_request_is_a_child_of_its_callers_span(
    traced: Server, collector: Collecting, path: str
) -> None:
    caller = Caller()
    response = traced.client.post(path, json=DOORS[path], headers=caller.headers())
    assert response.status_code == 200, response.text
    route = path.replace("sine", "{name}").replace("versions/2", "versions/{version}")
    root = check_trace(collector, caller, f"POST {route}")
    facts = root["facts"]
    assert facts["url.path"] == path
    assert facts["http.response.status_code"] == 200
    assert facts["servery.version"] == 2
    assert facts["servery.request_id"] == response.headers["x-request-id"]
    assert response.headers["traceresponse"][:52] == f"00-{caller.trace}-{root['id']}"


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (infer, "inference.GRPCInferenceService/ModelInfer"),
        (predict, "tensorflow.serving.PredictionService/Predict"),
    ],
    ids=["open inference", "tensorflow serving"],
)
def test_so_is_one_by_grpc(
    traced: Server,
    collector: Collecting,
    ask: Callable[[Server, Caller], None],
    name: str,
) -> None:
    caller = Caller()
    ask(traced, caller)
    root = check_trace(collector, caller, name)
    assert root["facts"]["rpc.system.name"] == "grpc"
    assert root["facts"]["rpc.method"] == name


def test_the_access_log_knows_the_trace(traced: Server, collector: Collecting) -> None:
    caller = Caller()
    post(traced, caller)
    collector.trace(caller.trace, NAME)
    until(lambda: bool(traced.log_lines(trace_id=caller.trace)))
    (line,) = traced.log_lines(trace_id=caller.trace)
    assert line["status"] == 200


def test_who_wants_no_trace_has_none(traced: Server, collector: Collecting) -> None:
    unwanted, wanted = Caller(is_sampled=False), Caller()
    assert "traceresponse" not in post(traced, unwanted).headers
    assert "traceresponse" not in post(traced, None).headers
    post(traced, wanted)  # by the same connection, so its spans come after theirs
    root = check_trace(collector, wanted, NAME)
    assert collector.spans(trace=unwanted.trace) == []
    (batch,) = collector.spans(name="batch", links=[root["id"]])
    assert batch["resource"]["servery.process"] == "engine"


def test_a_context_that_the_standard_does_not_know_is_none(traced: Server) -> None:
    for header in ("00-1-2-01", f"ff{Caller().header[2:]}", "x" * 600):
        response = traced.client.post(
            "/v1/predict/sine",
            json=DOORS["/v1/predict/sine"],
            headers={"traceparent": header},
        )
        assert response.status_code == 200
        assert "traceresponse" not in response.headers


def test_what_only_reads_is_traced_for_a_caller_who_is(
    traced: Server, collector: Collecting
) -> None:
    caller = Caller()
    traced.client.get("/v1/models/sine", headers=caller.headers())
    spans = collector.trace(caller.trace, "GET /v1/models/{name}")
    assert len(spans) == 1


def test_a_wrong_request_says_what_was_wrong_and_is_no_error_of_ours(
    traced: Server, collector: Collecting
) -> None:
    caller = Caller()
    response = traced.client.post(
        "/v1/predict/sine", json={"record": {}}, headers=caller.headers()
    )
    assert response.status_code == 422
    root = collector.trace(caller.trace, NAME)[NAME]
    assert root["status"] == UNSET
    assert root["facts"]["error.type"] == "invalid_input"
    assert root["facts"]["http.response.status_code"] == 422


def test_what_is_our_fault_is_an_error(traced: Server, collector: Collecting) -> None:
    caller = Caller()
    response = traced.client.post(
        "/v1/predict/digits", json={}, headers=caller.headers()
    )
    assert response.status_code == 503
    (root,) = collector.wait(trace=caller.trace)
    assert (root["status"], root["message"]) == (ERROR, "model_not_ready")


def test_a_body_that_is_refused_by_its_head_is_traced(
    traced: Server, collector: Collecting
) -> None:
    caller = Caller()
    response = traced.client.post(
        "/v1/predict/sine",
        content=b"x" * (16 * 1024 * 1024 + 1),
        headers=caller.headers(),
    )
    assert response.status_code == 413
    (root,) = collector.wait(trace=caller.trace)
    assert root["facts"]["error.type"] == "body_too_large"


def test_a_batch_is_linked_to_all_that_shared_it(
    traced: Server, collector: Collecting
) -> None:
    callers = [Caller() for _ in range(64)]
    threads = [threading.Thread(target=post, args=(traced, each)) for each in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    roots = [check_name(collector, caller, NAME) for caller in callers]
    linked: list[str] = []
    for root in roots:
        (batch,) = (
            each
            for each in collector.spans(name="batch")
            if root["id"] in each["links"]
        )
        assert len(batch["links"]) == batch["facts"]["servery.batch_requests"]
        assert (
            batch["facts"]["servery.batch_rows"] == root["facts"]["servery.batch_rows"]
        )
        linked.append(batch["id"])
    assert len(linked) == len(callers)


def check_name(collector: Collecting, caller: Caller, name: str) -> Span:
    return collector.trace(caller.trace, name, *SPANS)[name]


def post(server: Server, caller: Caller | None) -> Any:
    headers = caller.headers() if caller else {}
    return server.client.post(
        "/v1/predict/sine", json={"record": {"x": 0.5}}, headers=headers
    )


def test_a_collector_that_is_away_harms_nobody_and_gets_the_rest_when_it_is_back(
    tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with Server(tmp_path / "log", artifacts=artifacts, tracing=True) as server:
        server.wait_ready()
        for wanted in (1, 8):  # of two requests, whose spans are seven each
            assert post(server, None).status_code == 200
            until(lambda wanted=wanted: lost(server) >= wanted, every_s=0.5)  # type: ignore[misc]
        until(lambda: len(server.log_lines(logger=EXPORTER)) > 1, every_s=0.5)
        logged = server.log_lines(logger=EXPORTER)
        assert sorted(each["process"] for each in logged) == ["engine", "http-0"]
        with Collecting(tmp_path / "spans", port) as collector:
            traces = [trace_of(post(server, None)) for _ in range(2)]
            assert server.stop() == 0
            for trace in traces:
                names = {each["name"] for each in collector.spans(trace=trace)}
                assert names == {NAME, *SPANS}


def test_the_metrics_name_traces(traced: Server, collector: Collecting) -> None:
    caller = Caller()
    post(traced, caller)
    check_name(collector, caller, NAME)
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    found = traced.client.get("/metrics", headers=accept)
    assert found.headers["content-type"].startswith("application/openmetrics-text")
    assert f'# {{trace_id="{caller.trace}"}}' in found.text
    plain = traced.client.get("/metrics")
    assert "trace_id" not in plain.text


def trace_of(response: Any) -> str:
    return str(response.headers["traceresponse"]).split("-")[1]


def lost(server: Server) -> float:
    (line,) = (
        each
        for each in server.client.get("/metrics").text.splitlines()
        if each.startswith("servery_spans_lost_total ")
    )
    return float(line.split()[1])
