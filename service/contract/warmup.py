"""Warm-up requests that lie in a SavedModel, as TensorFlow Serving reads them.

    assets.extra/tf_serving_warmup_requests: records of TFRecord, each a PredictionLog
    record = length uint64, its checksum, bytes, their checksum; all little-endian

See tensorflow_serving/g3doc/saved_model_warmup.md.
"""

import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from service.contract.tensor_proto import TensorProtoError, to_array
from service.contract.tensorflow_protos import load_module

logger = logging.getLogger(__name__)

FILENAME = "assets.extra/tf_serving_warmup_requests"
MOST_RECORDS = 1000  # as TensorFlow Serving has it
MOST_BYTES = 64 * 1024 * 1024  # of one record
DEFAULT_SIGNATURE = "serving_default"

Request = tuple[str, dict[str, np.ndarray]]
"""A signature's name, and an array for each of its inputs."""

_HEAD, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
_MASK = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h


class WarmupError(ValueError):
    """Warm-up requests that cannot be read or run, with a reason for their author."""


def read_warmup(folder: Path) -> Iterator[Request]:
    """Read the warm-up requests of a SavedModel, if it has any.

    Args:
        folder: The SavedModel's.

    Yields:
        Predict, classify and regress requests; examples as the strings that they are.
        Others (session runs, several models at once) are passed over.

    Raises:
        WarmupError: The file is damaged, or has more than `MOST_RECORDS`.
    """
    path = folder / FILENAME
    if not path.is_file():
        return
    logs = load_module("tensorflow_serving.apis.prediction_log_pb2")
    for number, record in enumerate(_read_records(path), start=1):
        if number > MOST_RECORDS:
            raise WarmupError(
                f"{FILENAME}: expected at most {MOST_RECORDS:,} records, received more"
            )
        try:
            request = _read_request(logs.PredictionLog.FromString(record))
        except (
            Exception
        ) as error:  # protobuf's implementations differ in what they raise
            raise WarmupError(
                f"{FILENAME}, record {number}: expected a PredictionLog, received "
                f"{error or type(error).__name__}"
            ) from error
        if request is not None:
            yield request


def _read_records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise _damaged("a record's length", "fewer bytes")
            length, checksum = _HEAD.unpack(head)
            if checksum != _mask(head[:8]):
                raise _damaged("a record's length", "another checksum")
            if length > MOST_BYTES:
                raise _damaged(
                    f"records of at most {MOST_BYTES:,} bytes", f"{length:,}"
                )
            record = file.read(length)
            tail = file.read(_CHECKSUM.size)
            if len(record) < length or len(tail) < _CHECKSUM.size:
                raise _damaged(f"a record of {length:,} bytes", "fewer")
            if _CHECKSUM.unpack(tail)[0] != _mask(record):
                raise _damaged("a record", "another checksum")
            yield record


def _damaged(expected: str, received: str) -> WarmupError:
    return WarmupError(
        f"{FILENAME} is damaged: expected {expected}, received {received}"
    )


def _mask(data: bytes) -> int:
    """The checksum as TFRecord stores it: rotated, so that it is none of itself."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _read_request(log: Any) -> Request | None:
    kind = log.WhichOneof("log_type")
    if kind not in ("predict_log", "classify_log", "regress_log"):
        logger.info("%s: passed over a %s", FILENAME, kind or "record of no kind")
        return None
    request = getattr(log, kind).request
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if kind == "predict_log":
        try:
            arrays = {name: to_array(proto) for name, proto in request.inputs.items()}
        except TensorProtoError as error:
            raise WarmupError(str(error)) from error
        return signature, arrays
    given = getattr(request.input, request.input.WhichOneof("kind") or "example_list")
    texts = [example.SerializeToString() for example in given.examples]
    return signature, {"inputs": np.array([*texts, None], dtype=object)[:-1]}
