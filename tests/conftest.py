"""What all tests share."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("servery", deadline=None)  # no test asserts a time
settings.load_profile("servery")


TOGETHER = ("e2e", "deploy", "rpc")  # folders whose tests share a server
SLOW = {"tiny_sentiment", "tiny_vae", "watched"}  # what takes long before it is there


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes long before it begins be left out of the quick tests."""
    for item in items:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


class ScheduleBySharing(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share something slow run in one process, of those there are.

    In place of `--dist loadgroup`, which pytest 9.2 leaves without effect.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.removeprefix("tests/").partition("/")[0]
        return folder if folder in TOGETHER else file


@pytest.hookimpl(optionalhook=True)  # of xdist, where tests run in several processes
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which test runs where."""
    return ScheduleBySharing(config, log)


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
