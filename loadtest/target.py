"""The service under test: is it ours to load, what is ready, what does it count."""

import ipaddress
import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import click
import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from loadtest.workloads import JSON, WORKLOADS, Declared, ImageForm, encode
from servery.trust import Trust

VERBS = ("predict", "generate")
PATIENCE_S = 10.0
SHORT_PATIENCE_S = 2.0  # while the clients send
MEMORY_EVERY_S = 10.0

Memory = tuple[tuple[float, float], ...]
"""Seconds from the start of the test, and bytes resident in all processes."""


class TargetError(click.ClickException):
    """The service does not answer as Servery does."""


def is_local(url: str) -> bool:
    """Whether this machine itself is meant."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All samples of `/metrics` at one moment, by name and sorted labels."""

    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]

    def since(self, before: "Snapshot") -> "Snapshot":
        """What was added since: meaningful for counters and histograms only."""
        old = before.samples
        return Snapshot({k: v - old.get(k, 0.0) for k, v in self.samples.items()})

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that carry these labels."""
        return sum(self.by("", name, **labels).values())

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The same, by what one more label is."""
        sums: dict[str, float] = defaultdict(float)
        for (each, pairs), value in self.samples.items():
            carried = dict(pairs)
            if each == name and labels.items() <= carried.items():
                sums[carried.get(label, "")] += value
        return sums

    def quantile(self, share: float, name: str, **labels: str) -> float:
        """Of a histogram, as Prometheus's `histogram_quantile`; NaN if it is empty."""
        buckets = self.by("le", f"{name}_bucket", **labels).items()
        pairs = sorted((float(bound), count) for bound, count in buckets)
        bounds, counts = zip((0.0, 0.0), *pairs, strict=True)
        rank = share * counts[-1]
        if not rank:
            return math.nan
        place = int(np.searchsorted(counts, rank))
        if math.isinf(bounds[place]):
            return float(bounds[place - 1])
        both = slice(place - 1, place + 1)
        return float(np.interp(rank, counts[both], bounds[both]))


class Target:
    """A service.

    Args:
        url: Its address, without a path.
        trust: Whom, where it speaks TLS; None: whom the system trusts.
    """

    def __init__(self, url: str, trust: Trust | None = None):
        self.url = url.rstrip("/")
        self._tls = (trust or Trust()).context()

    def ready_models(self) -> tuple[str, ...]:
        """The models of which a version answers, sorted; may raise TargetError."""
        try:
            models = self._get("/v1/models").json()["models"]
            ready = [m["name"] for m in models if m["default_version"] is not None]
        except (ValueError, TypeError, KeyError) as error:
            raise TargetError(
                f"{self.url}/v1/models: expected the models of a Servery: {error!r}"
            ) from error
        return tuple(sorted(ready))

    def declared(self, ready: Collection[str]) -> dict[str, Declared]:
        """What to send to those of the models that declare their task, by their names.

        The service's description knows their paths, and an example of each that works;
        ours are there too, for which there are workloads. May raise TargetError.
        """
        try:
            paths = self._get("/openapi.json").json()["paths"]
            found = {
                each["post"].get("operationId"): path
                for path, each in paths.items()
                if "post" in each
            }
            return {
                name: self._examples(name, found[call], paths[found[call]])
                for name in ready
                for call in (f"{verb}_{name}" for verb in VERBS)
                if call in found and name not in WORKLOADS
            }
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise TargetError(
                f"{self.url}/openapi.json: expected Servery's description: {error!r}"
            ) from error

    def _examples(self, name: str, path: str, described: dict[str, Any]) -> Declared:
        task = self._get(f"/v1/models/{quote(name, safe='')}").json()["task"]
        requests = [each["request"] for each in task["examples"]] if task else []
        if not requests:
            content = described["post"]["requestBody"]["content"]
            requests = [content[JSON]["example"]]
        return Declared(path, tuple(encode(each, ImageForm.JSON) for each in requests))

    def snapshot(self, patience_s: float = PATIENCE_S) -> Snapshot:
        """Its metrics now; may raise TargetError."""
        text = self._get("/metrics", patience_s).text
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        keys = [(s.name, tuple(sorted(s.labels.items()))) for s in samples]
        return Snapshot({k: s.value for k, s in zip(keys, samples, strict=True)})

    def _get(self, path: str, patience_s: float = PATIENCE_S) -> httpx.Response:
        try:
            response = httpx.get(
                self.url + path, timeout=patience_s, verify=self._tls, trust_env=False
            )
            return response.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetError(
                f"{self.url}{path}: expected an answer, received {error!r}. "
                "Is the service running? servery serve"
            ) from error


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What one model did; times are read off histograms, rows are without padding."""

    model: str
    answered: int
    batches: int
    rows_a_batch: float
    queue_p50_s: float
    queue_p99_s: float
    compute_p50_s: float


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """What the service did in a test by its own count; memory only where it tells."""

    models: tuple[ModelFigures, ...]
    rejections: dict[str, int]
    restarts: int
    memory: Memory = ()


def read_figures(added: Snapshot, memory: Memory = ()) -> ServiceFigures:
    """The figures of what a test added to the metrics."""
    asked = added.by("model", "servery_request_seconds_count")
    rejections = added.by("reason", "servery_rejections_total")
    return ServiceFigures(
        tuple(_read_model(added, n) for n in sorted(asked) if n and asked[n]),
        {reason: int(n) for reason, n in sorted(rejections.items()) if n},
        int(added.total("servery_process_restarts_total")),
        memory,
    )


def _read_model(added: Snapshot, model: str) -> ModelFigures:
    requests = added.by("status", "servery_request_seconds_count", model=model)
    batches = added.total("servery_batch_rows_count", model=model)
    rows = added.total("servery_batch_rows_sum", model=model)
    return ModelFigures(
        *(model, int(requests.get("200", 0)), int(batches)),
        rows / batches if batches else math.nan,
        added.quantile(0.5, "servery_queue_seconds", model=model),
        added.quantile(0.99, "servery_queue_seconds", model=model),
        added.quantile(0.5, "servery_compute_seconds", model=model),
    )


class Watch:
    """Reads the metrics at the start of what counts, at the end, and memory between."""

    def __init__(self, url: str, warmup_s: float, trust: Trust):
        self._target, self._warmup_s = Target(url, trust), warmup_s
        self._memory: list[tuple[float, float]] = []
        self._next_s = MEMORY_EVERY_S
        first = self._read(0.0, PATIENCE_S)
        self._before = None if warmup_s else first

    def look(self, now_s: float) -> None:
        """To be called about once a second during the test."""
        starts = self._before is None and now_s >= self._warmup_s
        if starts or now_s >= self._next_s:
            snapshot = self._read(now_s, SHORT_PATIENCE_S)
            self._before = self._before or (snapshot if starts else None)
            self._next_s = now_s + MEMORY_EVERY_S

    def finish(self, now_s: float) -> ServiceFigures | None:
        """The figures; None where the service does not tell."""
        after = self._read(now_s, PATIENCE_S)
        if self._before is None or after is None:
            return None
        return read_figures(after.since(self._before), tuple(self._memory))

    def _read(self, now_s: float, patience_s: float) -> Snapshot | None:
        try:
            snapshot = self._target.snapshot(patience_s)
        except TargetError:
            return None
        memory = snapshot.total("servery_process_resident_bytes")
        if memory:
            self._memory.append((now_s, memory))
        return snapshot
