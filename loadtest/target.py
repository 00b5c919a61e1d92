"""The service under test: is it ours to load, what is ready, what does it measure."""

import ipaddress
import math
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

PATIENCE_S = 10.0
LOCAL_NAMES = ("localhost",)


class TargetError(RuntimeError):
    """The service does not answer as Servery does."""


Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All samples of `/metrics` at one moment.

    Attributes:
        samples: By name and labels, sorted.
    """

    samples: dict[Key, float]

    def since(self, before: "Snapshot") -> "Snapshot":
        """What was added since: only counters and histograms mean anything in it."""
        return Snapshot(
            {
                key: value - before.samples.get(key, 0.0)
                for key, value in self.samples.items()
            }
        )

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that carry these labels."""
        wanted = labels.items()
        return sum(
            value
            for (each, carried), value in self.samples.items()
            if each == name and wanted <= dict(carried).items()
        )

    def values(self, name: str, label: str) -> list[str]:
        """What `label` is on the samples of this name that are above 0, sorted."""
        found = {
            dict(carried)[label]
            for (each, carried), value in self.samples.items()
            if each == name and value > 0 and label in dict(carried)
        }
        return sorted(found)

    def quantile(self, name: str, share: float, **labels: str) -> float:
        """Of a histogram, read between the bounds of its buckets; NaN if it is empty.

        As `histogram_quantile` of Prometheus does it.
        """
        bounds = sorted(
            {
                float(dict(carried)["le"])
                for each, carried in self.samples
                if each == f"{name}_bucket"
            }
        )
        rank = share * self.total(f"{name}_count", **labels)
        below, lower = 0.0, 0.0
        for bound in bounds if rank else ():
            count = self._bucket(name, bound, labels)
            if count >= rank and count > below:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * (rank - below) / (count - below)
            below, lower = count, bound
        return math.nan

    def _bucket(self, name: str, bound: float, labels: dict[str, str]) -> float:
        return sum(
            value
            for (each, carried), value in self.samples.items()
            if each == f"{name}_bucket"
            and float(dict(carried)["le"]) == bound
            and labels.items() <= dict(carried).items()
        )

    def memory_bytes(self) -> float | None:
        """Resident memory, where the service tells it."""
        found = [
            value
            for (name, _), value in self.samples.items()
            if name == "servery_process_resident_bytes"
        ]
        return sum(found) or None


def is_local(url: str) -> bool:
    """Whether this machine itself is meant."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOCAL_NAMES


class Target:
    """A service, by its address.

    Args:
        url: Without a path.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def ready_models(self) -> tuple[str, ...]:
        """The models of which a version answers, sorted.

        Raises:
            TargetError: It is not there, or is no Servery.
        """
        try:
            models = self._get("/v1/models").json()["models"]
            return tuple(
                sorted(m["name"] for m in models if m["default_version"] is not None)
            )
        except (ValueError, TypeError, KeyError) as error:
            raise TargetError(
                f"{self.url}/v1/models: expected the models of a Servery: {error!r}"
            ) from error

    def snapshot(self) -> Snapshot:
        """Its metrics now.

        Raises:
            TargetError: It tells none.
        """
        text = self._get("/metrics").text
        samples: dict[Key, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                samples[key] = sample.value
        return Snapshot(samples)

    def _get(self, path: str) -> httpx.Response:
        try:
            response = httpx.get(self.url + path, timeout=PATIENCE_S, trust_env=False)
            response.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetError(
                f"{self.url}{path}: expected an answer, received {error!r}. "
                "Is the service running? servery serve"
            ) from error
        return response
