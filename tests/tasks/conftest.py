from collections.abc import Iterator

import pytest

from tests.models.predicting import Application
from tests.tasks import declared, tiny


@pytest.fixture(scope="package")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The application around a model of each task."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    declared.write_house(artifacts)
    declared.write_guest(artifacts)
    declared.write_light(artifacts)
    declared.write_grey(artifacts)
    declared.write_shout(artifacts)
    declared.write_numbers(artifacts)
    tiny.write_shades(artifacts)
    tiny.write_ink(artifacts)
    tiny.write_dots(artifacts)
    tiny.write_sounds(artifacts)
    tiny.write_peaks(artifacts)
    tiny.write_shapes(artifacts)
    tiny.write_colours(artifacts)
    tiny.write_wall(artifacts)
    started = Application(artifacts)
    yield started
    started.close()
