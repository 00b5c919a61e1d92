"""What TensorFlow says of an example that a model cannot parse, as its caller reads it.

A signature for classify or regress parses its `tf.Example`s itself, so what is wrong
with them shows when they are computed: it is the caller's fault, not the model's. The
words are those of TensorFlow's `example_proto_fast_parsing.cc`.
"""

import re

_KEY = r"Key: (?P<name>.*?)(?:, Index: \d+)?\.\s+"
_TYPES = _KEY + r"Data types don't match\.\s+"
_FAULTS = {
    _TYPES + r"Data type: (?P<received>\w+) but expected type: (?P<expected>\w+)": (
        "feature {name}: expected {expected}, received {received}"
    ),
    _TYPES + r"Expected type: (?P<expected>\w+), Actual type: (?P<received>\w+)": (
        "feature {name}: expected {expected}, received {received}"
    ),
    _KEY + r"Number of \w+ values != expected\.\s+Values size: (?P<received>\d+) "
    r"but output shape: (?P<expected>\[[\d,]*\])": (
        "feature {name}: expected values of shape {expected}, received {received}"
    ),
    r"Feature: (?P<name>.*?) \(data type: (?P<expected>\w+)\) is required but": (
        "feature {name}: expected {expected}, received none"
    ),
    _KEY + r"Can't parse serialized Example": (
        "feature {name}: expected as many values as the model parses, received others"
    ),
    r"Could not parse example input": (
        "expected serialized examples, received other bytes"
    ),
}


def explain(message: str) -> str | None:
    """What is wrong with an example, or None if the error is about something else.

    Args:
        message: Of TensorFlow's `InvalidArgumentError`.
    """
    for pattern, text in _FAULTS.items():
        if found := re.search(pattern, message, re.DOTALL):
            return f"examples: {text.format(**found.groupdict())}"
    return None
