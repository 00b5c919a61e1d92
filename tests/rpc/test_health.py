"""Health checking says what readiness says; reflection says what there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from service.engine.catalog import Catalog
from tests.rpc.serving import SERVICES, Serving, make_engine, refused

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[Serving]:
    """A server whose only model is ready."""
    engine = make_engine(tmp_path)
    engine.catalog = Catalog(
        settled=True, models={"echo": engine.catalog.models["echo"]}
    )
    started = Serving(engine)
    yield started
    started.close()


def check(serving: Serving, service: str = "") -> Any:
    stub = health_pb2_grpc.HealthStub(serving.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service)).status


@pytest.mark.parametrize("service", ["", *SERVICES, "echo"])
def test_all_is_well_while_every_model_answers(healthy: Serving, service: str) -> None:
    assert check(healthy, service) == SERVING


def test_a_broken_model_is_nobodys_problem_but_its_own(serving: Serving) -> None:
    assert check(serving) == SERVING
    assert check(serving, "broken") == NOT_SERVING
    assert check(serving, "echo") == SERVING


def test_what_has_no_name_here_is_not_found(serving: Serving) -> None:
    refused(grpc.StatusCode.NOT_FOUND, "nobody", call=lambda: check(serving, "nobody"))


def test_draining_turns_health_red_at_once(healthy: Serving) -> None:
    healthy.state.draining = True
    assert check(healthy) == NOT_SERVING
    assert check(healthy, "echo") == NOT_SERVING


def test_whoever_watches_is_told_of_changes_and_of_the_end(healthy: Serving) -> None:
    stub = health_pb2_grpc.HealthStub(healthy.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="echo"))
    unknown = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(watch).status == SERVING
    assert next(unknown).status == UNKNOWN
    healthy.engine.catalog = Catalog(settled=True)
    assert next(watch).status == UNKNOWN
    healthy.leave().result(30)
    assert next(watch).status == NOT_SERVING
    with pytest.raises(StopIteration):
        next(watch)
    unknown.cancel()


def test_reflection_lists_the_services_and_their_files(serving: Serving) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(serving.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=each)
            for each in SERVICES
        ),
    ]
    listed, *files = stub.ServerReflectionInfo(iter(requests))
    names = {each.name for each in listed.list_services_response.service}
    assert {
        *SERVICES,
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
    } <= names
    for each in files:
        assert each.file_descriptor_response.file_descriptor_proto
