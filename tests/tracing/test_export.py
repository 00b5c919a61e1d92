"""Spans on their way to a collector, which may be away, slow or full."""

import logging
import socket

import pytest

from service.tracing.environment import read_variables
from service.tracing.export import EXPORTER, Exporting
from tests.tracing.collecting import Collecting


def make_spans(exporting: Exporting, number: int) -> None:
    for _ in range(number):
        exporting.tracer.start_span("span").end()


def test_what_waits_is_sent_at_the_end(
    collector: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    lost: list[int] = []
    exporting = Exporting("http-0", lost.append)
    make_spans(exporting, 3)
    exporting.close(30)
    assert len(collector.spans(name="span")) == 3
    assert lost == []


def test_a_span_says_who_made_it(
    collector: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=here")
    exporting = Exporting("http-0", int)
    make_spans(exporting, 1)
    exporting.close(30)
    (span,) = collector.spans()
    found = span["resource"]
    assert found["service.name"] == "servery"
    assert found["servery.process"] == "http-0"
    assert found["deployment.environment"] == "here"


def test_the_standard_may_name_the_service_otherwise(
    collector: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "numbers")
    exporting = Exporting("http-0", int)
    make_spans(exporting, 1)
    exporting.close(30)
    (span,) = collector.spans()
    assert span["resource"]["service.name"] == "numbers"


def test_a_collector_that_is_away_is_logged_once_and_its_spans_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unheard:  # bound, and nobody listens
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
        lost: list[int] = []
        exporting = Exporting("http-0", lost.append)
        with caplog.at_level(logging.INFO):
            make_spans(exporting, 3)
            exporting.close(30)
    assert sum(lost) == 3
    (line,) = (each for each in caplog.records if each.name == EXPORTER)
    assert line.levelno >= logging.WARNING


def test_what_a_slow_collector_leaves_waiting_is_bounded_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes, and never answers
        port = deaf.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
        lost: list[int] = []
        exporting = Exporting("http-0", lost.append)
        most = read_variables()
        make_spans(exporting, 100)
        assert sum(lost) >= 100 - most.most_waiting - most.most_sent
        exporting.close(0.0)
