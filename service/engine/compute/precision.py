"""When a model may compute in bfloat16: asked for, able to, and found to agree.

bfloat16 keeps float32's range and 8 of its 24 bits, in half of the bytes, and the
newest processors multiply it twice as fast. What comes out differs in the third digit;
whole-number models (docs/adr/0005) would lose their promise of the same bytes.
"""

from pathlib import Path

import numpy as np

from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import Array, Tensors

ABILITIES = {"avx512_bf16", "amx_bf16"}  # as the kernel names them
TOLERANCE = 0.03
"""Largest difference between an output in bfloat16 and in float32, where the outputs
are probabilities; of others, as a share of the largest value."""

_CPUINFO = Path("/proc/cpuinfo")


def has_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this processor multiplies bfloat16 itself; emulated, it is slower."""
    try:
        return not ABILITIES.isdisjoint(cpuinfo.read_text().split())
    except OSError:
        return False


def draw_rows(signature: Signature, size: int) -> Tensors | None:
    """Rows to compare the precisions by, the same each time.

    Returns:
        Noise: pixels (uint8) evenly over 0 to 255, floats normally around 0. None where
        the precision must stay as it is: noise says nothing of text and records, and
        outputs that are whole numbers are exact.
    """
    if any(not spec.dtype.startswith("float") for spec in signature.outputs):
        return None
    if any(spec.dtype not in ("uint8", "float32") for spec in signature.inputs):
        return None
    rng = np.random.default_rng(0)
    return tuple(_draw(rng, spec, size) for spec in signature.inputs)


def agree(exact: Tensors, rounded: Tensors) -> bool:
    """Whether all outputs are finite and within `TOLERANCE` of those in float32."""
    pairs = zip(exact, rounded, strict=True)
    return all(_differ_by(one, other) <= TOLERANCE for one, other in pairs)


def _differ_by(exact: Array, rounded: Array) -> float:
    one, other = exact.astype(np.float64), rounded.astype(np.float64)
    return float(np.max(np.abs(one - other)) / max(1.0, np.max(np.abs(one))))


def _draw(rng: np.random.Generator, spec: TensorSpec, size: int) -> Array:
    shape = [size, *(dim or 1 for dim in spec.shape[1:])]
    if spec.dtype == "uint8":
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape, np.float32)
