"""`tf.Example`s, which TensorFlow Serving's Classify and Regress take, and answers.

The model parses the examples itself: its signature has one input of strings, each a
serialized example. What comes out has one row for each.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from service.contract.dtypes import STRING
from service.contract.signature import Signature
from service.errors import InvalidInput, ModelFailed

Array = np.ndarray

CLASSES, SCORES, OUTPUTS = "classes", "scores", "outputs"  # of TensorFlow's signatures


def parse(
    request: Any, name: str, signature: Signature, method: str
) -> dict[str, Array]:
    """The one input of a signature, made of examples.

    Args:
        request: An `Input`: examples, or examples and what they have in common.
        name: The signature's.
        signature: That is called.
        method: What it must be for, by TensorFlow's name.

    Returns:
        (rows,) strings, by the input's name.

    Raises:
        InvalidInput: There are no examples, or the signature is for something else.
    """
    specs = signature.inputs
    if signature.method != method or len(specs) != 1 or specs[0].dtype != STRING:
        raise InvalidInput(
            f"signature {name}: expected one for {method} with one input of "
            f"serialized examples; this one is for {signature.method}: call Predict"
        )
    kind = request.WhichOneof("kind")
    examples = getattr(request, kind).examples if kind else []
    if not examples:
        raise InvalidInput("input: expected at least one example, received none")
    # Two messages merge where their bytes follow each other; the later one wins.
    common = b""
    if kind == "example_list_with_context":
        common = request.example_list_with_context.context.SerializeToString()
    rows = np.empty(len(examples), dtype=object)
    rows[:] = [common + example.SerializeToString() for example in examples]
    return {specs[0].name: rows}


def fill_classifications(result: Any, outputs: Mapping[str, Array]) -> None:
    """Put labels and scores, or either, into a `ClassificationResult`."""
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
    given = [each for each in (classes, scores) if each is not None]
    if not given or any(each.ndim != 2 for each in given):
        shapes = {key: list(array.shape) for key, array in outputs.items()}
        raise ModelFailed(
            f"expected outputs {CLASSES} or {SCORES} of shape [rows, labels], the "
            f"model gave {shapes}"
        )
    for row in range(len(given[0])):
        labels = [] if classes is None else classes[row].tolist()
        numbers = [] if scores is None else scores[row].tolist()
        added = result.classifications.add().classes
        for index in range(given[0].shape[1]):
            each = added.add()
            if labels:
                each.label = labels[index]
            if numbers:
                each.score = numbers[index]


def fill_regressions(result: Any, outputs: Mapping[str, Array]) -> None:
    """Put one number a row into a `RegressionResult`."""
    values = outputs.get(OUTPUTS)
    if values is None or values.size != len(values):
        shapes = {key: list(array.shape) for key, array in outputs.items()}
        raise ModelFailed(
            f"expected an output {OUTPUTS} of shape [rows] or [rows, 1], the model "
            f"gave {shapes}"
        )
    for value in values.ravel().tolist():
        result.regressions.add(value=value)
