"""What `servery add` says: what was written, how it was checked, how to call it."""

from collections.abc import Iterator
from pathlib import Path

from servery.calls import write_calls
from servery.declaration import read_task_file
from servery.exporter import Exported, add_path
from servery.samples import read_samples
from service.contract.golden import TOLERANCE
from service.contract.inputs import describe_shape


def add_and_tell(
    path: Path,
    artifacts: Path,
    *,
    name: str | None,
    version: int | None,
    samples: Path | None,
    labels: tuple[str, ...],
    task: Path | None,
    allow_operations: bool,
    address: str,
) -> Iterator[str]:
    """Add a model and say so in lines for people; see `servery.exporter.add_path`."""
    exported = add_path(
        path,
        artifacts,
        name=name,
        version=version,
        samples=None if samples is None else read_samples(samples),
        labels=labels,
        task=None if task is None else read_task_file(task),
        allow_operations=allow_operations,
    )
    yield from tell(exported, address)


def tell(exported: Exported, address: str) -> Iterator[str]:
    """Say what was written.

    Args:
        exported: The version.
        address: Of the service, `localhost:8000`.
    """
    name = exported.folder.parent.name
    yield f"Wrote {exported.folder}"
    for key, signature in exported.saved.signatures.items():
        yield f"  {key}"
        for word, specs in (("takes", signature.inputs), ("gives", signature.outputs)):
            for spec in specs:
                yield f"    {word} {spec.name}: {spec.dtype} {describe_shape(spec)}"
    rows = "rows that were drawn" if exported.drawn else "your rows"
    yield (
        f"Reloaded, it answers as the original does: on {rows}, 1, 2, 3 and all at a "
        f"time, they differ by {exported.difference:.2g} (at most {TOLERANCE:g})"
    )
    for key in exported.varying:
        yield f"{key} answers differently each time: only its shapes were compared"
    for operation, effect in exported.saved.refused.items():
        yield f"{operation} {effect}: the service too must be told to allow it"
    yield "Call it, when the service has taken it up:"
    for line in write_calls(name, exported.saved, exported.rows, address):
        yield f"  {line}"
