"""What a version answered in training: the measure that answers of today are held to.

    SERVERY_DRIFT_REFERENCE            ─┐
    manifest.json: metrics.predictions ─┼─▶ Reference ─▶ metrics, `servery drift`
    golden.npz: outputs of samples     ─┘

Read where a version is loaded, in the engine; whoever answers gets it with the catalog.
"""

import zipfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError

from service.contract.contract import Contract
from service.contract.golden import FILENAME
from service.contract.manifest import Manifest
from service.contract.reference import Reference
from service.contract.signature import Frozen
from service.contract.task import SERVING
from service.drift.outcomes import (
    ABNORMAL,
    counted_output,
    gives_values,
    place,
    read_classes,
    read_values,
)

PREDICTIONS = "predictions"  # among a manifest's metrics
MOST_GROUPS = 50  # that are counted apart: each is a series of every version
MOST_CHARACTERS = 80  # of a label, as a metric has it
MOST_BYTES = 64 * 1024 * 1024  # of outputs in golden.npz
MOST_BINS, LEAST_IN_BIN = 10, 5  # of a regression's values
LEAST_SEEN = 0.8  # of the labels, in samples whose mix means anything
MOST_ROWS = 10**15  # that are stated: a float is exact so far
OTHERS, ODD = "(other)", "(not a number)"
NO_SAMPLES = "it carries no samples (golden.npz)"
DRAWN = "its samples are drawn at random, and none of anybody's"


Count = Annotated[int, Field(ge=0, le=MOST_ROWS)]


class Stated(Frozen):
    """What is said of a version's predictions on data that is like that to come."""

    rows: int = Field(ge=1, le=MOST_ROWS, description="predictions")
    labels: dict[str, Count] = Field(description="label → how many of them gave it")
    confidence: float | None = Field(None, allow_inf_nan=False)


_References = TypeAdapter(dict[str, dict[str, Stated]])


def find_reference(
    folder: Path,
    contract: Contract,
    manifest: Manifest | None,
    given: Path | None = None,
) -> Reference | None:
    """What a version's files say; None where its answers are not counted.

    Never fails: what cannot be read is said in `source`.

    Args:
        folder: Of the version.
        contract: What it promises.
        manifest: What its author says, if there is one.
        given: The operator's own file of references, if there is one.
    """
    output = counted_output(contract)
    if output is None:
        return None
    stated = _read_given(given, contract) or _read_stated(manifest)
    if isinstance(stated, Stated) and not gives_values(contract):
        return _from_stated(contract, stated)
    try:
        outputs, origin = _read_outputs(folder / FILENAME, output.name)
        return _from_outputs(contract, outputs, origin)
    except FileNotFoundError:
        reason = NO_SAMPLES
    except _Unfit as error:
        reason = str(error)
    except Exception:  # noqa: BLE001 - of files, zip, zlib, NumPy, memory
        reason = f"{FILENAME} cannot be read"
    if isinstance(stated, str):
        reason = f"{stated}; {reason}"
    return _unknown(contract, reason)


class _Unfit(ValueError):
    """The samples are no measure of what is to come."""


def _unknown(contract: Contract, reason: str) -> Reference | None:
    if gives_values(contract):
        return None  # without values there are no intervals
    return Reference(groups=_groups(contract, Counter()), source=reason)


def read_references(path: Path) -> dict[str, dict[str, Stated]]:
    """A file of references: by model, by version.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not of this form.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES:,} bytes")
    return _References.validate_json(path.read_bytes())


def _read_given(path: Path | None, contract: Contract) -> Stated | str | None:
    """What the operator states; a text: it cannot be taken."""
    if path is None:
        return None
    try:
        by_version = read_references(path).get(contract.name, {})
    except (OSError, ValueError):
        return "the file of references cannot be read"
    return by_version.get(str(contract.version))


def _read_stated(manifest: Manifest | None) -> Stated | str | None:
    """What a manifest states; a text: it cannot be taken."""
    found = manifest.metrics.get(PREDICTIONS) if manifest else None
    if found is None:
        return None
    try:
        return Stated.model_validate(found)
    except ValidationError:
        return f"metrics.{PREDICTIONS} are not of the form rows, labels, confidence"


def _from_stated(contract: Contract, stated: Stated) -> Reference:
    known = {label: stated.labels.get(label, 0) for label in contract.labels}
    total = max(stated.rows, sum(known.values()))
    if not any(known.values()):
        return Reference(
            groups=_groups(contract, Counter()),
            source=f"metrics.{PREDICTIONS} have none of its labels",
        )
    counts = _shorten(known)
    groups = _groups(contract, counts)
    source = f"{stated.rows:,} predictions that are stated"
    return Reference(
        groups=groups,
        ratios=_ratios(groups, counts, total),
        rows=stated.rows,
        confidence=stated.confidence,
        source=source,
    )


def _from_outputs(
    contract: Contract, outputs: npt.NDArray[Any], origin: str
) -> Reference:
    source = f"{len(outputs)} samples that it carries ({origin})"
    if gives_values(contract):
        return _from_values(read_values(outputs), source)
    found = read_classes(contract, outputs)
    if found is None:
        raise _Unfit("its samples have another number of classes than labels")
    classes, confidence = found
    kept = classes != ABNORMAL
    if not kept.any():
        raise _Unfit("its samples have no finite score")
    named = Counter(dict.fromkeys(contract.labels, 0))
    named.update(contract.labels[each] for each in classes[kept].tolist())
    counts = _shorten(named)
    groups = _groups(contract, counts)
    seen = sum(number > 0 for number in named.values())
    is_mix = seen >= LEAST_SEEN * len(named)
    if not is_mix:
        source += f", with {seen} of {len(named)} labels, too few for their mix"
    return Reference(
        groups=groups,
        ratios=_ratios(groups, counts, int(kept.sum())) if is_mix else (),
        rows=int(kept.sum()),
        confidence=float(confidence[kept].mean()),
        source=source,
    )


def _from_values(values: npt.NDArray[np.float64], source: str) -> Reference:
    values = values[np.isfinite(values)]
    bins = min(MOST_BINS, len(values) // LEAST_IN_BIN)
    if bins < 2:
        raise _Unfit(f"it carries {len(values)} samples, too few for intervals")
    inner = np.quantile(values, np.arange(1, bins) / bins)
    edges = sorted({float(f"{each:.4g}") for each in inner.tolist()})
    counts = np.bincount(place(values, edges), minlength=len(edges) + 1)
    return Reference(
        groups=(*_intervals(edges), ODD),
        edges=tuple(edges),
        ratios=(*(counts / len(values)).tolist(), 0.0),
        rows=len(values),
        source=source,
    )


def _intervals(edges: list[float]) -> list[str]:
    middle = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:.4g}", *middle, f"{edges[-1]:.4g} or more"]


def _groups(contract: Contract, counts: "Counter[str]") -> tuple[str, ...]:
    """The labels that are counted apart: all, or those that are given most often."""
    labels = list(dict.fromkeys(map(shorten, contract.labels)))
    if len(labels) <= MOST_GROUPS:
        return (*labels, ODD)
    often = {label for label, _ in counts.most_common(MOST_GROUPS)}
    kept = [each for each in labels if each in often]
    kept += [each for each in labels if each not in often][: MOST_GROUPS - len(kept)]
    return (*kept, OTHERS, ODD)


def _ratios(
    groups: tuple[str, ...], counts: "Counter[str]", total: int
) -> tuple[float, ...]:
    known = {group: counts[group] / total for group in groups}
    if OTHERS in known:
        known[OTHERS] = 1 - sum(known[group] for group in groups if group != OTHERS)
    return tuple(max(0.0, known[group]) for group in groups)


def _shorten(counts: "dict[str, int] | Counter[str]") -> "Counter[str]":
    found: Counter[str] = Counter()
    for label, number in counts.items():
        found[shorten(label)] += number
    return found


def shorten(label: str) -> str:
    """A label as metrics have it: not too long."""
    return label if len(label) <= MOST_CHARACTERS else f"{label[:MOST_CHARACTERS]}…"


def _read_outputs(path: Path, output: str) -> tuple[npt.NDArray[Any], str]:
    """One output of all samples, and whose they are.

    Raises:
        FileNotFoundError: There are none.
        _Unfit: They are no measure.
        Exception: They cannot be read.
    """
    name = f"{SERVING}/outputs/{output}"
    with path.open("rb") as content, zipfile.ZipFile(content) as packed:
        sizes = {each.filename: each.file_size for each in packed.infolist()}
    if f"{name}.npy" not in sizes:
        raise _Unfit(NO_SAMPLES)
    if sizes[f"{name}.npy"] > MOST_BYTES:
        raise _Unfit(f"its samples' outputs are more than {MOST_BYTES:,} bytes")
    with np.load(path) as file:
        origin = str(file["origin"])[:20]
        if origin == "drawn":
            raise _Unfit(DRAWN)
        outputs = file[name]
    is_plain = outputs.dtype.kind in "fiu" and outputs.ndim in (1, 2)
    if not is_plain or not outputs.size:
        raise _Unfit(f"{FILENAME} cannot be read")
    return outputs, origin
