"""Values in shared memory: they add up, and outlive who counted them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, values
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from service.metrics import Metrics, share_metrics
from service.processes import samples
from service.processes.samples import BlockCollector, create_block, forget_gauges


@contextmanager
def blocks(number: int) -> Iterator[list[int]]:
    """Blocks; and prometheus-client as it was, afterwards."""
    before = values.ValueClass
    fds = [create_block(str(index)) for index in range(number)]
    try:
        yield fds
    finally:
        values.ValueClass = before
        for fd in fds:
            os.close(fd)


def read(fds: list[int]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    registry = CollectorRegistry()
    registry.register(BlockCollector(fds))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def find(fds: list[int], name: str, **labels: str) -> float | None:
    return read(fds).get((name, frozenset(labels.items())))


def count(metrics: Metrics, seen: list[float]) -> None:
    for seconds in seen:
        metrics.batch_seconds.labels("digits").observe(seconds)
        metrics.rejections.labels("queue_full").inc(seconds)
        metrics.in_flight.inc(2)


@settings(max_examples=20)
@given(st.lists(st.lists(st.floats(0, 100), max_size=9), min_size=3, max_size=3))
def test_processes_add_up_to_what_one_would_have_counted(
    seen: list[list[float]],
) -> None:
    alone = Metrics(CollectorRegistry())
    count(alone, [seconds for part in seen for seconds in part])
    expected = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in alone._registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    with blocks(3) as fds:
        for fd, part in zip(fds, seen, strict=True):
            count(share_metrics(fd, fds), part)
        found = read(fds)
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key


def test_a_successor_counts_on_and_its_predecessor_s_gauges_are_gone() -> None:
    with blocks(2) as fds:
        other = share_metrics(fds[1], fds)
        other.in_flight.set(1)
        first = share_metrics(fds[0], fds)
        first.rejections.labels("internal").inc(3)
        first.in_flight.set(5)
        first.default_version.labels("digits").set(2)
        assert find(fds, "servery_requests_in_flight") == 6
        forget_gauges(fds[0])
        assert find(fds, "servery_requests_in_flight") == 1
        assert find(fds, "servery_model_default_version", model="digits") is None
        second = share_metrics(fds[0], fds)
        second.rejections.labels("internal").inc()
        second.in_flight.set(2)
        assert find(fds, "servery_rejections_total", reason="internal") == 4
        assert find(fds, "servery_requests_in_flight") == 3


def test_a_block_grows_and_what_is_in_it_stays() -> None:
    with blocks(1) as fds:
        metrics = share_metrics(fds[0], fds)
        for number in range(5_000):
            metrics.rejections.labels(str(number)).inc(number)
        assert os.fstat(fds[0]).st_size > samples.FIRST_BYTES
        found = read(fds)
        for number in range(5_000):
            labels = frozenset({("reason", str(number))})
            assert found["servery_rejections_total", labels] == number


def test_where_no_memory_is_left_values_are_lost_and_nobody_dies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: int) -> None:
        raise OSError(28, "No space left on device")

    with blocks(1) as fds:
        metrics = share_metrics(fds[0], fds)
        monkeypatch.setattr(os, "posix_fallocate", fail)
        for number in range(5_000):
            metrics.rejections.labels(str(number)).inc(number)
        metrics.rejections.labels("7").inc(1)
        assert find(fds, "servery_rejections_total", reason="7") == 8
        assert find(fds, "servery_rejections_total", reason="4999") is None


def test_every_page_of_a_block_is_there_before_it_is_touched() -> None:
    with blocks(1) as fds:
        assert os.fstat(fds[0]).st_blocks * 512 >= samples.FIRST_BYTES


def test_prometheus_can_read_it() -> None:
    with blocks(1) as fds:
        metrics = share_metrics(fds[0], fds)
        metrics.batch_rows.labels('of "digits"\n').observe(3)
        metrics.restarts.labels("http").inc()
        text = metrics.exposition().decode()
    families = {each.name: each for each in text_string_to_metric_families(text)}
    assert families["servery_process_restarts"].type == "counter"
    (count,) = [
        sample
        for sample in families["servery_batch_rows"].samples
        if sample.name == "servery_batch_rows_count"
    ]
    assert (count.labels, count.value) == ({"model": 'of "digits"\n'}, 1)


def test_a_bucket_names_a_trace_that_this_process_counted_in_it() -> None:
    with blocks(2) as fds:
        share_metrics(fds[1], fds).compute_seconds.labels("digits").observe(0.004)
        ours = share_metrics(fds[0], fds)
        seconds = ours.compute_seconds.labels("digits")
        seconds.observe_all([0.004, 2.5])
        seconds.exemplify(0.004, "4bf92f3577b34da6a3ce929d0e0e4736")
        text = ours.exposition(with_exemplars=True).decode()
    (family,) = (
        each
        for each in openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        if each.name == "servery_compute_seconds"
    )
    found = {sample.labels.get("le"): sample for sample in family.samples}
    exemplar = found["0.005"].exemplar
    assert (found["0.005"].value, found["5.0"].value) == (2, 3)
    assert exemplar.labels == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    assert exemplar.value == 0.004
    assert [each for each in found.values() if each.exemplar] == [found["0.005"]]


def test_an_exemplar_is_shown_by_a_process_that_counts_for_itself_too() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.request_seconds.labels("/v1", "200", "digits").observe(0.1)
    metrics.request_seconds.labels("/v1", "200", "digits").exemplify(0.1, "ab")
    assert b'le="0.1"' in metrics.exposition(with_exemplars=True)
    assert b'# {trace_id="ab"} 0.1' in metrics.exposition(with_exemplars=True)
    assert b"trace_id" not in metrics.exposition()
