"""The bodies of classify and regress: examples of named features.

    {"signature_name": …, "context": {…}, "examples": [{feature: value}, …]}

TensorFlow Serving hands such examples to a signature that takes serialized
`tensorflow.Example`s; so does this. A signature of other inputs is refused.
"""

from typing import Any

import numpy as np
from pydantic_core import to_json

from service.contract.contract import Contract
from service.contract.dtypes import STRING
from service.contract.inputs import find_signature
from service.contract.signature import Signature
from service.contract.tensorflow_protos import load_module
from service.contract.values import decode_base64
from service.errors import InvalidInput
from service.web.api.tensorflow_serving.predict import DEFAULT_SIGNATURE

Array = np.ndarray

CLASSES, SCORES, OUTPUTS = "classes", "scores", "outputs"
METHODS = {
    "classify": "tensorflow/serving/classify",
    "regress": "tensorflow/serving/regress",
}


def parse_examples(
    body: Any, contract: Contract, method: str
) -> tuple[str, dict[str, Array]]:
    """Read the body of a classify or regress call.

    Returns:
        The signature's name, and serialized examples for its only input.

    Raises:
        InvalidInput: Not of this form, or the signature is made for another method.
        SignatureNotFound: No such signature.
    """
    if not isinstance(body, dict):
        raise InvalidInput(
            f"expected an object with examples, received {type(body).__name__}"
        )
    name = body.get("signature_name", DEFAULT_SIGNATURE)
    signature = find_signature(contract, str(name))
    inputs = signature.inputs
    if (
        signature.method != METHODS[method]
        or len(inputs) != 1
        or (inputs[0].dtype != STRING)
    ):
        raise InvalidInput(
            f"signature {name}: expected one made for {method}, which takes serialized "
            f"examples; this one is made for {signature.method.rpartition('/')[2]}: "
            "call :predict"
        )
    examples = body.get("examples")
    if not isinstance(examples, list) or not examples:
        raise InvalidInput("examples: expected a list of at least one object")
    context = body.get("context", {})
    if not isinstance(context, dict):
        raise InvalidInput("context: expected an object of features")
    array = np.empty(len(examples), dtype=object)
    for index, example in enumerate(examples):
        if not isinstance(example, dict):
            raise InvalidInput(
                f"examples.{index}: expected an object of features, received "
                f"{type(example).__name__}"
            )
        array[index] = serialize({**context, **example}, f"examples.{index}")
    return str(name), {inputs[0].name: array}


def serialize(features: dict[str, Any], what: str) -> bytes:
    """A `tensorflow.Example` of features by name.

    Raises:
        InvalidInput: A value that is no number, text, `{"b64": …}` or list of such.
    """
    try:
        return _serialize(features, what)
    except (ValueError, TypeError) as error:  # numbers that no int64 holds
        raise InvalidInput(f"{what}: expected int64 or float: {error}") from error


def _serialize(features: dict[str, Any], what: str) -> bytes:
    example = load_module("tensorflow.core.example.example_pb2").Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        kinds = {type(each) for each in values}
        if kinds <= {int} and values:
            feature.int64_list.value.extend(values)
        elif kinds <= {int, float}:
            feature.float_list.value.extend(values)
        elif kinds <= {str, dict}:
            texts = [_to_bytes(each, f"{what}.{name}") for each in values]
            feature.bytes_list.value.extend(texts)
        else:
            raise InvalidInput(
                f"{what}.{name}: expected numbers or texts of one kind, received others"
            )
    serialized: bytes = example.SerializeToString()
    return serialized


def render_examples(
    method: str, outputs: tuple[Array, ...], signature: Signature
) -> bytes:
    """The answer to a classify or regress call.

    Raises:
        InvalidInput: The signature has not the outputs that the method needs.
    """
    named = dict(zip([each.name for each in signature.outputs], outputs, strict=True))
    if method == "regress":
        values = named.get(OUTPUTS)
        if values is None or values.ndim not in (1, 2):
            raise InvalidInput("regress: expected a signature with the output outputs")
        return to_json(
            {"results": values.reshape(len(values)).tolist()},
            inf_nan_mode="constants",
        )
    classes, scores = named.get(CLASSES), named.get(SCORES)
    found = scores if scores is not None else classes
    if found is None or found.ndim != 2:
        raise InvalidInput(
            "classify: expected a signature with the outputs classes or scores, a row "
            "for each example"
        )
    rows, columns = found.shape
    results = [
        [
            [
                classes[row, column].decode(errors="replace")
                if classes is not None
                else "",
                float(scores[row, column]) if scores is not None else 0.0,
            ]
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    return to_json({"results": results}, inf_nan_mode="constants")


def _to_bytes(value: Any, what: str) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    encoded = value.get("b64") if value.keys() == {"b64"} else None
    if not isinstance(encoded, str):
        raise InvalidInput(f'{what}: expected {{"b64": "…"}}, received another object')
    return decode_base64(encoded, what)
