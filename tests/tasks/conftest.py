from collections.abc import Iterator

import pytest

from tests.models.predicting import Application
from tests.tasks import declared


@pytest.fixture(scope="package")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The application around a model of each task that predicts."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    declared.write_house(artifacts)
    declared.write_guest(artifacts)
    declared.write_light(artifacts)
    declared.write_grey(artifacts)
    declared.write_shout(artifacts)
    started = Application(artifacts)
    yield started
    started.close()
