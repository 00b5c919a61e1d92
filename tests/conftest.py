"""What all tests share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("servery", deadline=None)  # no test asserts a time
settings.load_profile("servery")


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What one service compiles is there for all that are started after it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVERY_CACHE", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="session")
def tiny_sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The version of a small sentiment model, trained once for all who read it."""
    from tests.training.models.tiny_sentiment import export_tiny

    return export_tiny(tmp_path_factory.mktemp("artifacts"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Set TensorFlow's threads, which can be done only before it first computes."""
    if "tensorflow" in sys.modules:
        from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

        TensorFlowRuntime("cpu", 1)
