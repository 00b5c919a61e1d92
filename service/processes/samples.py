"""Metrics that outlive the process that counted them, in memory that all can read.

Each process counts in a block of its own: an anonymous file in memory that the
supervisor makes and hands down, so it needs no folder, its successor counts on where it
ended, and whoever is scraped adds up all of them. Its pages are allocated before they
are touched: where there are none left, values are lost, but nobody dies of SIGBUS.

    block = used (u64)  entry…
    entry = value (f64)  length of the key (u64)  key, JSON, filled up to 8 bytes
"""

import logging
import math
import mmap
import os
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString
from pydantic_core import from_json, to_json

logger = logging.getLogger(__name__)

FIRST_BYTES = 256 * 1024  # doubled when full

_USED = struct.Struct("=Q")
_ENTRY = struct.Struct("=dQ")
_VALUE = struct.Struct("=d")
_ABSENT = math.nan  # a gauge of a process that is no more


Labels = tuple[tuple[str, str], ...]


class SampleKey(NamedTuple):
    """Which sample a value is, and how it adds up with those of other processes."""

    kind: str
    mode: str
    family: str
    name: str
    labels: Labels
    help: str


EMPTY: Mapping[SampleKey, Exemplar] = {}


def create_block(name: str) -> int:
    """The descriptor of a new block.

    Raises:
        OSError: There is no memory for it, or too many files are open.
    """
    fd = os.memfd_create(f"servery-{name}")
    os.posix_fallocate(fd, 0, FIRST_BYTES)
    os.pwrite(fd, _USED.pack(_USED.size), 0)
    return fd


class SampleBlock:
    """A block, for the process whose values it holds.

    Attributes:
        exemplars: Of its values, which do not outlive it and which no other one sees.
    """

    def __init__(self, fd: int):
        self.exemplars: dict[SampleKey, Exemplar] = {}
        self._fd = fd
        self._memory = mmap.mmap(fd, 0)
        self.lock = Lock()
        entries = _entries(self._memory)
        self._offsets = {key: offset for key, offset, _ in entries}

    def place(self, key: bytes) -> int:
        """The offset of the value with this key; 0 if there is no room for it."""
        if key not in self._offsets:
            self._offsets[key] = self._add(key)
        return self._offsets[key]

    def read(self, offset: int) -> float:
        """The value at `offset`."""
        return float(_VALUE.unpack_from(self._memory, offset)[0])

    def write(self, offset: int, value: float) -> None:
        """Set the value at `offset`."""
        if offset:
            _VALUE.pack_into(self._memory, offset, value)

    def _add(self, key: bytes) -> int:
        (offset,) = _USED.unpack_from(self._memory)
        padded = key.ljust(-(-len(key) // 8) * 8)
        end = offset + _ENTRY.size + len(padded)
        if end > len(self._memory):
            try:
                os.posix_fallocate(self._fd, 0, 2 * len(self._memory))
                self._memory.resize(2 * len(self._memory))
            except OSError as error:
                logger.error("no memory for another metric: %s", error)
                return 0
        _ENTRY.pack_into(self._memory, offset, 0.0, len(padded))
        self._memory[offset + _ENTRY.size : end] = padded
        _USED.pack_into(self._memory, 0, end)  # last: until now nobody looks there
        return int(offset)


def forget_gauges(fd: int) -> None:
    """Let counts stay in a block, and no gauge: they told of a process that is gone."""
    for key, offset, _ in _entries(_read(fd)):
        if _parse_key(key).kind == "gauge":
            os.pwrite(fd, _VALUE.pack(_ABSENT), offset)


class SharedValue:
    """What prometheus-client keeps a sample's value in; see its `values.ValueClass`."""

    _multiprocess = True
    _block: SampleBlock

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ):
        labels = sorted(zip(labelnames, labelvalues, strict=True))
        key = (typ, multiprocess_mode, metric_name, name, labels, help_text)
        self._key = to_json(key)
        with self._block.lock:
            self._offset = self._block.place(self._key)
            is_new = typ == "gauge" or not self._offset
            self._value = 0.0 if is_new else self._block.read(self._offset)
            self._block.write(self._offset, self._value)

    def inc(self, amount: float) -> None:
        """Add to it."""
        with self._block.lock:
            self._value += amount
            self._block.write(self._offset, self._value)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace it."""
        with self._block.lock:
            self._value = value
            self._block.write(self._offset, value)

    def get(self) -> float:
        """What it is."""
        return self._value

    def set_exemplar(self, exemplar: Exemplar) -> None:
        """Give it an example of what it counts; a later one replaces it."""
        self._block.exemplars[_parse_key(self._key)] = exemplar

    def get_exemplar(self) -> Exemplar | None:
        """The example, if it has one."""
        return self._block.exemplars.get(_parse_key(self._key))


def value_class(block: SampleBlock) -> type[SharedValue]:
    """The class of values that live in `block`."""
    return type("BlockValue", (SharedValue,), {"_block": block})


class BlockCollector(Collector):
    """The samples of several processes, added up.

    Args:
        fds: Their blocks.
        exemplars: Those of this process: one of what all have counted is enough.
    """

    def __init__(
        self, fds: Iterable[int], exemplars: Mapping[SampleKey, Exemplar] = EMPTY
    ):
        self._fds, self._exemplars = tuple(fds), exemplars

    def collect(self) -> Iterable[Metric]:
        """The families, as far as anybody has a value in them."""
        merged: dict[SampleKey, float] = {}
        for fd in self._fds:
            for key, _, value in _entries(_read(fd)):
                if not math.isnan(value):
                    sample = _parse_key(key)
                    add = _how_to_add(sample.mode)
                    merged[sample] = add(merged.get(sample, 0.0), value)
        families: dict[str, dict[SampleKey, float]] = defaultdict(dict)
        for sample, value in merged.items():
            families[sample.family][sample] = value
        return [_family(samples, self._exemplars) for samples in families.values()]


def _read(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _how_to_add(mode: str) -> Callable[[float, float], float]:
    return max if mode == "livemax" else float.__add__


def _family(
    samples: dict[SampleKey, float], exemplars: Mapping[SampleKey, Exemplar]
) -> Metric:
    first = next(iter(samples))
    metric = Metric(first.family, first.help, first.kind)
    buckets: dict[Labels, dict[float, SampleKey]] = defaultdict(dict)
    sums: dict[Labels, float] = {}
    for sample, value in samples.items():
        labels = dict(sample.labels)
        bound = labels.pop("le", None)
        if bound is not None:
            buckets[tuple(labels.items())][float(bound)] = sample
        elif first.kind == "histogram":
            sums[sample.labels] = value
        else:
            metric.add_sample(sample.name, labels, value)
    for pairs, bounds in buckets.items():
        total = 0.0
        for upper, sample in sorted(bounds.items()):
            total += samples[sample]
            labels = {**dict(pairs), "le": floatToGoString(upper)}  # type: ignore[no-untyped-call]
            exemplar = exemplars.get(sample)
            name = f"{first.family}_bucket"
            metric.add_sample(name, labels, total, exemplar=exemplar)
        metric.add_sample(f"{first.family}_count", dict(pairs), total)
        metric.add_sample(f"{first.family}_sum", dict(pairs), sums.get(pairs, 0.0))
    return metric


def _entries(content: bytes | mmap.mmap) -> Iterator[tuple[bytes, int, float]]:
    """Key, offset and value of each entry."""
    (used,) = _USED.unpack_from(content)
    offset = _USED.size
    while offset < used:
        value, length = _ENTRY.unpack_from(content, offset)
        end = offset + _ENTRY.size + length
        yield content[offset + _ENTRY.size : end].rstrip(), offset, value
        offset = end


@lru_cache(maxsize=65_536)
def _parse_key(key: bytes) -> SampleKey:
    kind, mode, family, name, labels, text = from_json(key)
    return SampleKey(kind, mode, family, name, tuple(map(tuple, labels)), text)
