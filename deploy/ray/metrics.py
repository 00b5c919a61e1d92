"""Servery's metrics beside Ray's: each sample becomes a gauge of Ray's, by its name.

Ray adds who counts (deployment, replica, application), and `ray_` to the name. There
they are gauges, whatever they are here, which `rate()` and its like do not mind.
"""

import asyncio
import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from ray.serve.metrics import Gauge

logger = logging.getLogger(__name__)


async def tell_ray(
    registry: CollectorRegistry, flush: Callable[[], None], interval_s: float
) -> None:
    """Tell Ray the metrics of a registry, again and again.

    Args:
        registry: Of one replica.
        flush: Writes down what is over.
        interval_s: In between.
    """
    gauges: dict[str, Gauge] = {}
    while True:
        await asyncio.sleep(interval_s)
        flush()
        try:
            _tell(registry, gauges)
        except Exception:
            logger.exception("Ray does not take the metrics; trying again")


def _tell(registry: CollectorRegistry, gauges: dict[str, Gauge]) -> None:
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            if sample.name not in gauges:
                gauges[sample.name] = Gauge(
                    sample.name,
                    description=family.documentation,
                    tag_keys=tuple(sample.labels),
                )
            gauges[sample.name].set(sample.value, tags=dict(sample.labels))
