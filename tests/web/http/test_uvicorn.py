"""What our connections and the end of the service lean on in uvicorn."""

import inspect

import uvicorn
from uvicorn.server import ServerState


def test_uvicorn_still_makes_connections_as_ours_expects() -> None:
    state = ServerState()
    for name, kind in (("connections", set), ("tasks", set), ("default_headers", list)):
        assert isinstance(getattr(state, name, None), kind), (
            f"uvicorn's ServerState has no {name} any more: see service/web/http/"
            "connection.py, which adds itself, its tasks and the date from there"
        )
    source = inspect.getsource(uvicorn.Server.startup)
    for used in ("self.lifespan.state", "config.http_protocol_class", "in sockets:"):
        assert used in source, (
            f"uvicorn's Server starts without {used} now: see service/web/http/"
            "server.py, which does the rest of it"
        )


def test_uvicorn_still_lets_its_server_be_told_when_to_end() -> None:
    for name in ("handle_exit", "on_tick", "shutdown"):
        assert callable(getattr(uvicorn.Server, name, None)), (
            f"uvicorn's Server has no {name} any more: see _DrainingServer"
        )
    assert ".shutdown()" in inspect.getsource(uvicorn.Server.shutdown), (
        "uvicorn does not tell connections that the server ends any more"
    )
