"""What a model comes as, and the functions that are found in it."""

import inspect
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from servery.keras_model import check_keras, describe_inputs, name_outputs
from servery.saved_model import DEFAULT_SIGNATURE, Call, Function, find_tables
from servery.versions import ExportRefused
from service.contract.text_signatures import READ, STEP


def read_keras(model: Any) -> tuple[Function, list[Any]]:
    """The function that a Keras model is, and the lookup tables that it needs.

    Raises:
        ExportRefused: It is not built, or what it takes cannot be served.
    """
    if not isinstance(model, keras.Model):
        raise ExportRefused(
            "model: expected a keras.Model, received a layer alone; wrap it: "
            "keras.Sequential([keras.Input(shape), layer])"
        )
    check_keras(model)
    specs, call = describe_inputs(model)
    function = Function(
        lambda **inputs: name_outputs(model, call(**inputs)), specs, sample={}
    )
    return function, list(find_tables(model))


def load_keras(path: Path) -> Any:
    """Read a model from a file of Keras's, without running what the file says.

    Raises:
        ExportRefused: It has code of its own, or is no model.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        reason = str(error)
        if "Lambda" in reason or "lambda" in reason:
            reason = (
                "it has a Lambda layer, whose code lies in the file and would be run. "
                "Build the model in Python and call servery.export(model, name)"
            )
        elif "Could not locate" in reason or "Unknown layer" in reason:
            reason = (
                f"{reason.split('.')[0]}: it has code of its own. Import that code in "
                "Python, load the model there and call servery.export(model, name)"
            )
        elif "No model config" in reason:
            reason = (
                "it holds weights alone: build the model, load them, servery.export"
            )
        raise ExportRefused(f"{path.name}: {reason}") from error


def find_functions(module: tf.Module) -> dict[str, Any]:
    """Functions of a module that say what they take, the default first.

    Raises:
        ExportRefused: There are none.
    """
    kind = tf.types.experimental.PolymorphicFunction
    found = {}
    for name in dir(module):
        if isinstance(inspect.getattr_static(module, name), kind):
            function = getattr(module, name)
            if function.input_signature is not None:
                found[name.strip("_")] = function
    if not found:
        raise ExportRefused(
            "module: expected a @tf.function with an input_signature, received none"
        )
    if {READ, STEP} <= found.keys():  # as a model that writes texts has them
        return found
    order = (DEFAULT_SIGNATURE, "call", "serve", next(iter(found)))
    default = next(name for name in order if name in found)
    return {DEFAULT_SIGNATURE: found.pop(default), **found}


def by_keyword(function: Any) -> Call:
    """A function of a module as its signature: named inputs, named outputs."""
    specs = tf.nest.flatten(function.get_concrete_function().structured_input_signature)
    names = [re.sub(r"\W", "_", spec.name) for spec in specs]

    def call(**inputs: Any) -> Mapping[str, Any]:
        outputs = function(*(inputs[name] for name in names))
        if isinstance(outputs, Mapping):
            return outputs
        listed = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {f"output_{number}": each for number, each in enumerate(listed)}

    return call
