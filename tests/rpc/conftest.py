"""One server for all tests that leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.rpc.serving import Serving, make_engine


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    started = Serving(make_engine(tmp_path_factory.mktemp("echo")))
    yield started
    started.close()
