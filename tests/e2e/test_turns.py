"""A greedy client beside a modest one, on the real service."""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.operations.greedy import (
    GREEDY,
    MODEST,
    Caller,
    ask_beside,
    make_request,
)
from benchmarks.synthetic import write_steady
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

SECONDS = 4.0
PLACES = 40  # under way: fewer than the greedy one wants


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    write_steady(artifacts / "steady" / "1")
    with Server(
        tmp_path_factory.mktemp("log") / "log",
        artifacts=artifacts,
        http_processes=1,
        max_in_flight=PLACES,
        max_queue_rows=200,
        runtime="tensorflow",
    ) as server:
        server.wait_ready()
        yield server


def test_a_modest_client_beside_a_greedy_one_is_answered_more_often(
    server: Server,
) -> None:
    """First come, first served, each connection would get about as many answers."""
    modest = Caller(MODEST, 4, make_request(server.url, "steady", 1))
    greedy = Caller(GREEDY, 64, make_request(server.url, "steady", 16))
    beside, pressing = asyncio.run(ask_beside(server.url, modest, greedy, SECONDS))
    assert set(beside.statuses) == {200}
    assert set(pressing.statuses) == {200, 503}
    answers, others = (
        each.statuses[200] / caller.connections
        for each, caller in ((beside, modest), (pressing, greedy))
    )
    assert answers > 2 * others


def test_bulk_is_never_shut_out(server: Server) -> None:
    greedy = Caller(GREEDY, 12, make_request(server.url, "steady", 16))
    said = make_request(server.url, "steady", 16, "X-Priority: bulk")
    nightly = Caller(MODEST, 2, said)
    bulk, urgent = asyncio.run(ask_beside(server.url, nightly, greedy, SECONDS))
    assert bulk.statuses[200]
    assert urgent.statuses[200] > bulk.statuses[200]
