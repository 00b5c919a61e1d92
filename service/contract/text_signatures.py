"""The two signatures of a model that writes texts: `read` a beginning, `step` on.

    prompt (rows, most) ─┐
    control (rows,) ─────┴▶ read ─▶ state (rows, n), logits (rows, symbols)
                                       │                │ the service draws a symbol
    control (rows,) ───────┐           ▼                ▼
                           └──────▶ step: state, symbol (rows,) ─▶ state, logits

All are whole numbers, so that a row gives the same in any company (ADR 5). What a state
is, only the model knows.
"""

from collections.abc import Mapping, Sequence

from service.contract.signature import Signature, TensorSpec
from service.contract.table import TaskError

READ, STEP = "read", "step"
NOTHING = -1  # in a prompt, behind its last symbol
MOST_STATE_BYTES = 2**20  # of one text
STATES = ("int32", "float32")


def check_text_signatures(
    signatures: Mapping[str, Signature],
    *,
    symbols: int,
    prompt: int,
    controlled: bool,
) -> None:
    """Compare both with what is declared.

    Args:
        signatures: Of the model, by name.
        symbols: That there are.
        prompt: Symbols that the beginning of a text may have.
        controlled: Whether a text is asked to be something.

    Raises:
        TaskError: They cannot be that model's; says what was expected and received.
    """
    missing = [name for name in (READ, STEP) if name not in signatures]
    if missing:
        raise TaskError(
            f"task: expected signatures {READ!r} and {STEP!r}, received "
            f"{', '.join(signatures) or 'none'}"
        )
    read, step = signatures[READ], signatures[STEP]
    control = [("control", "int32", ())] * controlled
    state = _find_state(read)
    _check("inputs of read", read.inputs, [("prompt", "int32", (prompt,)), *control])
    outputs = [state, ("logits", "int32", (symbols,))]
    _check("outputs of read", read.outputs, outputs)
    _check("inputs of step", step.inputs, [("symbol", "int32", ()), state, *control])
    _check("outputs of step", step.outputs, outputs)


Expected = tuple[str, str, tuple[int, ...]]  # name, dtype, shape of a row


def _find_state(read: Signature) -> Expected:
    """What a state is, by what `read` gives."""
    found = [each for each in read.outputs if each.name == "state"]
    shape = found[0].shape if found else ()
    size = shape[1] if len(shape) == 2 else None
    if not found or found[0].dtype not in STATES or size is None:
        given = _list(read.outputs)
        raise TaskError(
            f"task: expected an output state (rows, numbers) of {' or '.join(STATES)} "
            f"of read, received {given}"
        )
    if 4 * size > MOST_STATE_BYTES:
        raise TaskError(
            f"task: expected a state of at most {MOST_STATE_BYTES:,} bytes, received "
            f"{size:,} × 4"
        )
    return "state", found[0].dtype, (size,)


def _check(where: str, given: Sequence[TensorSpec], expected: list[Expected]) -> None:
    found = sorted((each.name, each.dtype, each.shape) for each in given)
    wanted = sorted((name, dtype, (None, *shape)) for name, dtype, shape in expected)
    if found != wanted:
        wanted_text = ", ".join(_describe(*each) for each in wanted)
        raise TaskError(
            f"task: expected as {where} {wanted_text}; received {_list(given)}"
        )


def _list(given: Sequence[TensorSpec]) -> str:
    return ", ".join(_describe(e.name, e.dtype, e.shape) for e in given) or "none"


def _describe(name: str, dtype: str, shape: Sequence[int | None]) -> str:
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return f"{name} {dtype} ({sizes})"
