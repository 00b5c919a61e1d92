"""What is counted, where several count the same thing."""

from prometheus_client import CollectorRegistry

from service.metrics import BatchMetrics, Metrics


def test_the_waiting_rows_of_a_models_batchers_add_up() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    decode, encode = (
        BatchMetrics(metrics, "clothing_vae", on_death=lambda: None) for _ in range(2)
    )

    decode.queued(5)
    encode.queued(3)
    decode.queued(2)

    labels = {"model": "clothing_vae"}
    assert registry.get_sample_value("servery_waiting_rows", labels) == 5
