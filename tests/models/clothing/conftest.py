"""One application for the tests of what it does with generators."""

from collections.abc import Iterator

import pytest

from tests.generators import write_generators
from tests.models.predicting import Application


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("artifacts")
    write_generators(folder)
    started = Application(folder)
    yield started
    started.close()
