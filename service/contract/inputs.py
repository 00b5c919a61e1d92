"""Tensors by name, as protocols bring them, to the tuple that a signature takes."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from service.contract.contract import Contract
from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.contract.signature import Signature, TensorSpec, fits
from service.errors import InvalidInput, SignatureNotFound

Array = np.ndarray


def find_signature(contract: Contract, name: str) -> Signature:
    """A signature by its name.

    Raises:
        SignatureNotFound: There is none.
    """
    try:
        return contract.signatures[name]
    except KeyError:
        known = ", ".join(contract.signatures)
        raise SignatureNotFound(
            f"{contract.name} {contract.version} has no signature {name!r}; there are: "
            f"{known}."
        ) from None


def arrange(
    contract: Contract, signature: str, given: Mapping[str, Array]
) -> tuple[Array, ...]:
    """Put inputs into their order, with defaults for what may be left out.

    Args:
        contract: The version's.
        signature: The name of one of its signatures.
        given: An array for each input, by name.

    Returns:
        Arrays that fit the signature, ready for the engine.

    Raises:
        SignatureNotFound: No such signature.
        InvalidInput: Inputs that are missing or unknown, or of another dtype or shape.
    """
    wanted = find_signature(contract, signature)
    _check_names(wanted, given, signature)
    arrays = {spec.name: _checked(spec, given) for spec in wanted.inputs}
    if contract.batches(signature):
        _check_rows({name: arrays[name] for name in given})
        rows = len(next(iter(given.values()))) if given else 1
        for spec in wanted.inputs:
            if spec.name not in given:
                shape = (rows, *arrays[spec.name].shape[-len(spec.shape) + 1 :])
                arrays[spec.name] = np.broadcast_to(
                    arrays[spec.name], shape if len(spec.shape) > 1 else (rows,)
                )
    return tuple(arrays.values())


def _check_names(signature: Signature, given: Mapping[str, Array], name: str) -> None:
    known = [spec.name for spec in signature.inputs]
    if given.keys() == {*known}:
        return
    unknown = [each for each in given if each not in known]
    missing = [
        spec.name
        for spec in signature.inputs
        if spec.name not in given and spec.default is None
    ]
    if unknown or missing:
        received = ", ".join(given) or "none"
        raise InvalidInput(
            f"signature {name}: expected the inputs {', '.join(known) or 'none'}; "
            f"received {received[:256]}"
        )


def _checked(spec: TensorSpec, given: Mapping[str, Array]) -> Array:
    if spec.name not in given:
        return _default(spec)
    array = given[spec.name]
    fitting = spec.any_rank or fits(array.shape, spec.shape)
    if array.dtype != numpy_dtype(spec.dtype) or not fitting:
        raise InvalidInput(
            f"input {spec.name}: expected {spec.dtype} {describe_shape(spec)}, "
            f"received {dtype_name(array.dtype)} {[*array.shape]}"
        )
    return array


def _default(spec: TensorSpec) -> Array:
    array = np.array(spec.default, dtype=object if spec.dtype == STRING else None)
    if spec.dtype == STRING:
        decoded = [base64.b64decode(each) for each in array.ravel()]
        array = np.array([*decoded, None], dtype=object)[:-1].reshape(array.shape)
    return array.astype(numpy_dtype(spec.dtype))


def _check_rows(arrays: Mapping[str, Array]) -> None:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise InvalidInput(
            "expected as many rows in every input, and at least one; received "
            + ", ".join(f"{name} {count}" for name, count in counts.items())
        )


def describe_shape(spec: TensorSpec) -> Any:
    """A shape for people: -1 for what is free."""
    if spec.any_rank:
        return "of any shape"
    return [-1 if size is None else size for size in spec.shape]
