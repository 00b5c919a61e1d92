"""What was recorded of inputs, beside those of the samples that a version carries."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import from_json

from service.contract.contract import Contract
from service.contract.golden import FILENAME, GoldenError, read_golden
from service.contract.task import SERVING
from service.drift.distance import critical_psi, psi
from service.drift.monitor import Outcome
from service.drift.records import Recorded
from service.drift.report import Column
from service.drift.rows import to_lines

MOST_BINS, LEAST_IN_BIN = 10, 5
MOST_WORDS = 20


def compare_inputs(
    folder: Path, contract: Contract, recorded: Recorded
) -> Iterator[Column]:
    """Each column of what was recorded that the samples have too.

    Args:
        folder: Of the version.
        contract: Of it.
        recorded: Of it.
    """
    samples = _read_samples(folder, contract)
    for name, values in recorded.columns.items():
        if name in samples.columns:
            column = compare_column(name, values, samples.columns[name])
            if column is not None:
                yield column


def compare_column(
    name: str, values: Sequence[Any], expected: Sequence[Any]
) -> Column | None:
    """Values beside those of training; None where these say nothing.

    Numbers are compared by tenths of training's, words by their shares.
    """
    if all(isinstance(each, int | float) for each in (*values, *expected)):
        return _compare_numbers(name, values, expected)
    found, wanted = Counter(map(str, values)), Counter(map(str, expected))
    often = [word for word, _ in wanted.most_common(MOST_WORDS)]
    return _compare(
        name, _shares(found, often), _shares(wanted, often), values, expected
    )


def _compare_numbers(
    name: str, values: Sequence[float], expected: Sequence[float]
) -> Column | None:
    bins = min(MOST_BINS, len(expected) // LEAST_IN_BIN)
    if bins < 2 or not values:
        return None
    wanted = np.asarray(expected, np.float64)
    edges = np.unique(np.quantile(wanted, np.arange(1, bins) / bins))
    shares = [
        np.bincount(
            np.searchsorted(edges, each, side="right"), minlength=len(edges) + 1
        )
        / len(each)
        for each in (np.asarray(values, np.float64), wanted)
    ]
    means = float(np.mean(values)), float(np.mean(wanted))
    return _compare(
        name, shares[0].tolist(), shares[1].tolist(), values, expected, means
    )


def _compare(
    name: str,
    found: list[float],
    wanted: list[float],
    values: Sequence[Any],
    expected: Sequence[Any],
    means: tuple[float, float] | tuple[None, None] = (None, None),
) -> Column | None:
    if not values or not expected:
        return None
    sizes = len(values), len(expected)
    critical = critical_psi(*sizes, len(found))
    return Column(name, len(values), psi(found, wanted, *sizes), critical, *means)


def _shares(counts: Mapping[str, int], words: Sequence[str]) -> list[float]:
    """The share of each of these words, and of all others."""
    total = sum(counts.values())
    named = [counts.get(word, 0) for word in words]
    return [each / total for each in (*named, total - sum(named))]


def _read_samples(folder: Path, contract: Contract) -> Recorded:
    """The samples of a version, as if they had been recorded."""
    found = Recorded()
    try:
        golden = read_golden(folder / FILENAME, contract.signatures)
    except GoldenError:
        return found
    samples = golden.samples.get(SERVING) if golden is not None else None
    if golden is None or samples is None or golden.origin == "drawn":
        return found
    outcome = Outcome(None, SERVING, samples.outputs, samples.inputs, contract)
    for line in to_lines(0.0, "", outcome, raw=False):
        found.add(from_json(line) | {"label": ""})
    return found
