"""What is counted, where several count the same thing."""

import asyncio

from prometheus_client import CollectorRegistry

from service.metrics import FLUSH_S, BatchMetrics, Metrics


def test_the_waiting_rows_of_a_models_batchers_add_up() -> None:
    async def test() -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        decode, encode = (
            BatchMetrics(metrics, "clothing_vae", lambda: None) for _ in range(2)
        )

        decode.queued(5)
        encode.queued(3)
        decode.queued(2)
        decode.flush()
        encode.flush()

        labels = {"model": "clothing_vae"}
        assert registry.get_sample_value("servery_waiting_rows", labels) == 5

    asyncio.run(test())


def test_batches_are_counted_before_long() -> None:
    async def test() -> None:
        registry = CollectorRegistry()
        batches = BatchMetrics(Metrics(registry), "digits", lambda: None)

        batches.ran(rows=3, padding=1, seconds=0.25)
        batches.ran(rows=8, padding=0, seconds=0.5)
        await asyncio.sleep(2 * FLUSH_S)

        labels = {"model": "digits"}
        samples = ("batch_rows_sum", "batch_rows_count", "batch_seconds_sum")
        found = [
            registry.get_sample_value(f"servery_{name}", labels) for name in samples
        ]
        assert found == [11, 2, 0.75]
        assert registry.get_sample_value("servery_padding_rows_total", labels) == 1

    asyncio.run(test())


def test_batches_are_counted_by_version_and_size() -> None:
    async def test() -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        batches = BatchMetrics(metrics, "digits", lambda: None, 3)
        whole = BatchMetrics(metrics, "digits", lambda: None, 3, batches=False)
        for rows, padding in ((3, 1), (4, 0), (8, 0)):
            batches.ran(rows, padding, seconds=0.25)
        whole.ran(rows=77, padding=0, seconds=1)
        batches.flush()
        whole.flush()

        def value(name: str, **more: str) -> float | None:
            labels = {"model": "digits", "version": "3", **more}
            return registry.get_sample_value(f"servery_version_{name}_total", labels)

        found = {rows: value("batches", rows=rows) for rows in ("1", "4", "8", "77")}
        assert found == {"1": 1, "4": 2, "8": 1, "77": None}
        assert value("batch_seconds", rows="4") == 0.5
        assert value("rows") == 92

    asyncio.run(test())
