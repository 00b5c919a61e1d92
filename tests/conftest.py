"""What all tests share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("servery", deadline=None)  # no test asserts a time
settings.load_profile("servery")


TOGETHER = ("e2e", "deploy", "rpc")  # folders whose tests share a server
SLOW = {"tiny_sentiment", "tiny_vae", "watched"}  # what takes long before it is there


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests that share something slow run in one process, of those there are."""
    root = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(root)
        group = path.parts[0] if path.parts[0] in TOGETHER else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What one service compiles is there for all that are started after it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # then all of them share it
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVERY_CACHE", str(folder / "compiled"))
        yield


def pytest_collection_finish(session: pytest.Session) -> None:
    """Set TensorFlow's threads, which can be done only before it first computes."""
    if "tensorflow" in sys.modules:
        from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

        TensorFlowRuntime("cpu", 1)
