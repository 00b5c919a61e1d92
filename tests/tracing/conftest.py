"""A collector in a process of its own, to which what is made here is sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracing.collecting import Collecting


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collecting]:
    with Collecting(tmp_path / "spans") as started:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", started.url)
        yield started
