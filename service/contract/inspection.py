"""What a SavedModel is and what would become of it here, told without loading it."""

from collections.abc import Iterator
from pathlib import Path

from service.contract.compilation import find_obstacle
from service.contract.contract import Contract, from_saved_model
from service.contract.inputs import describe_shape
from service.contract.manifest import FILENAME as MANIFEST
from service.contract.saved_model import (
    FILENAME,
    SavedModelError,
    read_saved_model,
)
from service.contract.signature import Frozen, Signature, TensorSpec

KERAS_FILES = (".keras", ".h5", ".hdf5")


class Inspection(Frozen):
    """What is known of a SavedModel before it is loaded."""

    path: str
    bytes: int
    manifest: bool
    warmup_requests: bool
    signatures: dict[str, Signature]
    batched: tuple[str, ...]
    unbatched: dict[str, str]
    stateful: tuple[str, ...]
    operations: tuple[str, ...]
    refused: dict[str, str]
    compiled: str


def find_saved_model(path: Path) -> Path:
    """The SavedModel at a path: the folder itself, or a model's newest version.

    Raises:
        SavedModelError: There is none; the message says what to do.
    """
    if path.suffix in KERAS_FILES and path.is_file():
        raise SavedModelError(
            f"{path.name} is a file of Keras's: servery add {path.name} makes a "
            "version of it, which can be inspected"
        )
    if (path / FILENAME).is_file():
        return path
    versions = sorted(
        (int(each.parent.name), each.parent)
        for each in path.glob(f"*/{FILENAME}")
        if each.parent.name.isdecimal()
    )
    if not versions:
        raise SavedModelError(
            f"{path}: expected a SavedModel, a folder with {FILENAME}, or a model's "
            "folder with versions of it; found neither"
        )
    return versions[-1][1]


def inspect(path: Path) -> Inspection:
    """Read what a SavedModel says of itself.

    Args:
        path: Its folder, or that of a model, whose newest version is taken.

    Raises:
        SavedModelError: There is none, or no protocol could carry what it takes.
    """
    folder = find_saved_model(path)
    saved = read_saved_model(folder)
    contract = from_saved_model("model", 1, saved)
    files = [each for each in folder.rglob("*") if each.is_file()]
    return Inspection(
        path=str(folder),
        bytes=sum(each.stat().st_size for each in files),
        manifest=(folder / MANIFEST).is_file(),
        warmup_requests=(folder / "assets.extra/tf_serving_warmup_requests").is_file(),
        signatures=saved.signatures,
        batched=tuple(filter(contract.batches, saved.signatures)),
        unbatched=contract.unbatched,
        stateful=contract.stateful,
        operations=tuple(sorted(saved.operations)),
        refused=saved.refused,
        compiled=_describe_compilation(contract),
    )


def render(found: Inspection) -> Iterator[str]:
    """What was found, in lines for people."""
    manifest = "with a manifest" if found.manifest else "no manifest"
    warm = ", warm-up requests" if found.warmup_requests else ""
    yield f"{found.path}: {found.bytes / 1e6:,.1f} MB, {manifest}{warm}"
    for name, signature in found.signatures.items():
        yield f"signature {name}"
        for spec in signature.inputs:
            yield f"    takes {_describe(spec)}"
        for spec in signature.outputs:
            yield f"    gives {_describe(spec)}"
        reason = found.unbatched.get(name)
        yield f"    {f'not batched: {reason}' if reason else 'batched by rows'}"
    yield f"operations: {len(found.operations)} kinds, listed by --json"
    yield f"compiled: {found.compiled}"
    for operation, effect in found.refused.items():
        yield f"refused: {operation} {effect}"


def _describe_compilation(contract: Contract) -> str:
    obstacle = find_obstacle(contract)
    if obstacle is not None:
        return f"no, {obstacle}: TensorFlow computes it"
    return (
        "by OpenVINO when it is loaded, if that answers as TensorFlow does, and faster"
    )


def _describe(spec: TensorSpec) -> str:
    optional = "" if spec.default is None else f", {spec.default} if left out"
    return f"{spec.name}: {spec.dtype} {describe_shape(spec)}{optional}"
