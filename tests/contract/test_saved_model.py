"""What is read of a SavedModel before anything of it runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.framework import op_def_registry

from service.contract.operations import FORBIDDEN, SAVER, STREAMS, TEXT_TABLES
from service.contract.saved_model import SavedModelError, read_saved_model
from service.contract.signature import Signature, TensorSpec
from tests import saved_models
from tests.imports import imported
from tests.saved_models import KINDS, USES

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
BATCHED = {
    "half_plus_two", "two_inputs", "every_dtype", "free_shape", "other_length",
    "hash_table", "table_from_asset", "mixes_rows", "variables", "several_signatures",
    "counter", "version_one",
}  # fmt: skip

HARMLESS = set(
    """
    BoostedTreesExampleDebugOutputs DebugGradientIdentity DebugGradientRefIdentity
    IdentityReader IdentityReaderV2 ReaderNumRecordsProduced ReaderNumRecordsProducedV2
    ReaderNumWorkUnitsCompleted ReaderNumWorkUnitsCompletedV2 ReaderRead ReaderReadUpTo
    ReaderReadUpToV2 ReaderReadV2 ReaderReset ReaderResetV2 ReaderRestoreState
    ReaderRestoreStateV2 ReaderSerializeState ReaderSerializeStateV2 ShardedFilename
    ShardedFilespec Snapshot TensorArrayWrite TensorArrayWriteV2 TensorArrayWriteV3
    """.split()  # noqa: SIM905
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_served_is_not_refused(kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path)
    found = read_saved_model(tmp_path)
    assert found.refused == {}
    assert found.signatures["serving_default"].can_batch == (kind in BATCHED)
    assert ("serving_default" in found.stateful) == (
        kind in {"counter", "mutable_table"}
    )


@pytest.mark.parametrize("operation", USES)
def test_what_reaches_out_of_the_process_is_refused(
    operation: str, tmp_path: Path
) -> None:
    saved_models.forbidden(tmp_path, operation)
    assert operation in read_saved_model(tmp_path).refused


@pytest.mark.parametrize("model", ["digits", "sentiment", "clothing_vae", "party"])
def test_our_own_models_are_read_as_their_manifests_say(model: str) -> None:
    found = read_saved_model(ARTIFACTS / model / "1")
    assert found.refused == {}
    assert not found.stateful


def test_a_signature_has_names_dtypes_and_shapes(tmp_path: Path) -> None:
    saved_models.two_inputs(tmp_path)
    (signature,) = read_saved_model(tmp_path).signatures.values()
    assert signature == Signature(
        inputs=(
            TensorSpec(name="name", dtype="string", shape=(None,)),
            TensorSpec(name="size", dtype="int64", shape=(None, 2)),
        ),
        outputs=(
            TensorSpec(name="double", dtype="int64", shape=(None, 2)),
            TensorSpec(name="greeting", dtype="string", shape=(None,)),
        ),
    )


def test_the_value_of_an_optional_input_is_read(tmp_path: Path) -> None:
    saved_models.optional_input(tmp_path)
    (signature,) = read_saved_model(tmp_path).signatures.values()
    assert {each.name: each.default for each in signature.inputs} == {
        "factor": 3.0,
        "x": None,
    }


def test_an_unknown_rank_is_said(tmp_path: Path) -> None:
    saved_models.any_rank(tmp_path)
    (signature,) = read_saved_model(tmp_path).signatures.values()
    assert signature.inputs[0].any_rank


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"\xff" * 100, "expected a protocol buffer"),
        (b"", "received none"),
    ],
    ids=["absent", "damaged", "empty"],
)
def test_what_is_no_saved_model_is_told_why(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(SavedModelError, match=words):
        read_saved_model(tmp_path)


def test_a_model_without_signatures_is_told_how_to_get_one(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(SavedModelError, match=r"model\.export"):
        read_saved_model(tmp_path)


READ_ONE = f"""
import sys
from pathlib import Path
from service.contract.saved_model import read_saved_model
read_saved_model(Path({str(ARTIFACTS / "digits" / "1")!r}))
"""


def said(code: str) -> str:
    """What a new process prints that does this."""
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_to_read_one_does_not_import_tensorflow() -> None:
    assert imported(READ_ONE, of={"tensorflow"}) == []


@pytest.mark.slow
def test_tensorflow_can_be_imported_after_one_was_read() -> None:
    code = f"{READ_ONE}import tensorflow as tf; print(tf.constant(1).numpy())"
    assert said(code) == "1"


def test_every_refused_operation_is_one_of_tensorflows() -> None:
    unknown = {
        name for name in {**FORBIDDEN, **SAVER} if op_def_registry.get(name) is None
    }
    assert unknown == set()


def test_no_operation_with_a_telling_name_was_forgotten() -> None:
    telling = re.compile(
        "File|Save|Restore|Reader|Write|PyFunc|Rpc|Sql|LMDB|Record|Snapshot|Checkpoint|"
        "Dump|Collective|DataService|Abort|Remote|Debug"
    )
    names = {name for name in all_operations() if telling.search(name)}
    known = {*FORBIDDEN, *SAVER, *TEXT_TABLES, *STREAMS}
    assert names - known == HARMLESS


def all_operations() -> list[str]:
    serialized = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return [each.name for each in op_def_pb2.OpList.FromString(serialized).op]
