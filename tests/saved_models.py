"""SavedModels of every kind that strangers bring, each a few lines of TensorFlow.

Functions take the version's folder and write a SavedModel into it, without a manifest.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

Spec = tf.TensorSpec
Write = Callable[[Path], None]

DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "string",
)  # fmt: skip


def save(
    folder: Path,
    function: Any,
    *specs: Any,
    owner: tf.Module | None = None,
    **more: Any,
) -> None:
    """Save a function as `serving_default`, with more signatures beside it."""
    module = owner or tf.Module()
    module.call = tf.function(function, autograph=False, input_signature=specs)
    signatures = {"serving_default": module.call}
    for name, (extra, *extra_specs) in more.items():
        made = tf.function(extra, autograph=False, input_signature=extra_specs)
        setattr(module, name, made)
        signatures[name] = made
    tf.saved_model.save(module, str(folder), signatures=signatures)


def half_plus_two(folder: Path) -> None:
    """y = x / 2 + 2, as the tutorials of TensorFlow Serving have it."""
    save(folder, lambda x: {"y": x / 2 + 2}, Spec([None], "float32", "x"))


def two_inputs(folder: Path) -> None:
    """Several inputs and outputs, one of them text."""

    def call(name: Any, size: Any) -> dict[str, Any]:
        return {
            "greeting": tf.strings.join(["hello ", name]),
            "double": size * 2,
        }

    save(folder, call, Spec([None], "string", "name"), Spec([None, 2], "int64", "size"))


def every_dtype(folder: Path) -> None:
    """An input and an output of each dtype, equal."""
    specs = [Spec([None], dtype, f"in_{dtype}") for dtype in DTYPES]

    def call(*tensors: Any) -> dict[str, Any]:
        pairs = zip(DTYPES, tensors, strict=True)
        return {f"out_{dtype}": tf.identity(tensor) for dtype, tensor in pairs}

    save(folder, call, *specs)


def fixed_rows(folder: Path) -> None:
    """Takes exactly two rows."""
    save(folder, lambda x: {"y": x + 1}, Spec([2, 3], "float32", "x"))


def turned(folder: Path) -> None:
    """Turned round along two axes at once."""
    spec = Spec([None, 2, 4, 5], "float32", "x")
    save(folder, lambda x: {"y": tf.reverse(x, [1, -1])}, spec)


def no_rows(folder: Path) -> None:
    """A vector of three, no batch dimension."""
    save(folder, lambda x: {"y": x * x}, Spec([3], "float32", "x"))


def scalar(folder: Path) -> None:
    """A number in, a number out."""
    save(folder, lambda x: {"y": x + 1}, Spec([], "float32", "x"))


def scalar_output(folder: Path) -> None:
    """Any rows in, one number out."""
    save(folder, lambda x: {"sum": tf.reduce_sum(x)}, Spec([None], "float32", "x"))


def other_length(folder: Path) -> None:
    """Gives only the rows that are positive: the output's length differs."""
    save(
        folder,
        lambda x: {"y": tf.boolean_mask(x, x > 0)},
        Spec([None], "float32", "x"),
    )


def free_shape(folder: Path) -> None:
    """Pictures of any size to their means: inner dimensions are free."""
    save(
        folder,
        lambda x: {"mean": tf.reduce_mean(x, axis=[1, 2])},
        Spec([None, None, None], "float32", "x"),
    )


def any_rank(folder: Path) -> None:
    """Tensors of any rank, negated."""
    save(folder, lambda x: {"y": -x}, Spec(None, "float32", "x"))


def several_signatures(folder: Path) -> None:
    """`serving_default` adds one, `double` doubles, `lengths` counts bytes."""
    save(
        folder,
        lambda x: {"y": x + 1},
        Spec([None], "float32", "x"),
        double=(lambda x: {"y": x * 2}, Spec([None], "float32", "x")),
        lengths=(
            lambda text: {"bytes": tf.strings.length(text)},
            Spec([None], "string", "text"),
        ),
    )


def hash_table(folder: Path) -> None:
    """Looks words up in a table that is filled once."""
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["one", "two"], [1, 2]), -1
    )
    save(
        folder,
        lambda word: {"number": module.table.lookup(word)},
        Spec([None], "string", "word"),
        owner=module,
    )


def table_from_asset(folder: Path) -> None:
    """Looks words up in a file of the SavedModel's own."""
    file = folder.parent / "words.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("zero\none\ntwo\n")
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            tf.saved_model.Asset(str(file)),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )
    module.asset = tf.saved_model.Asset(str(file))
    save(
        folder,
        lambda word: {"number": module.table.lookup(word)},
        Spec([None], "string", "word"),
        owner=module,
    )
    file.unlink()


def mutable_table(folder: Path) -> None:
    """Counts how often each word was sent, in a table that requests change."""
    module = tf.Module()
    module.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)

    def call(word: Any) -> dict[str, Any]:
        count = module.table.lookup(word) + 1
        with tf.control_dependencies([module.table.insert(word, count)]):
            return {"count": tf.identity(count)}

    save(folder, call, Spec([1], "string", "word"), owner=module)


def counter(folder: Path) -> None:
    """Adds up everything that it was ever sent, in a variable."""
    module = tf.Module()
    module.total = tf.Variable(0.0)
    save(
        folder,
        lambda x: {"total": module.total.assign_add(tf.reduce_sum(x)) + 0 * x},
        Spec([None], "float32", "x"),
        owner=module,
    )


def mixes_rows(folder: Path) -> None:
    """Subtracts the mean of the batch: what a row gives depends on its company."""
    save(folder, lambda x: {"y": x - tf.reduce_mean(x)}, Spec([None], "float32", "x"))


def variables(folder: Path) -> None:
    """A matrix of weights."""
    module = tf.Module()
    module.weights = tf.Variable(tf.ones([3, 2]))
    save(
        folder,
        lambda x: {"y": x @ module.weights},
        Spec([None, 3], "float32", "x"),
        owner=module,
    )


def scalar_text(folder: Path) -> None:
    """A text in, a text out, no dimensions."""
    save(folder, lambda x: {"y": tf.strings.upper(x)}, Spec([], "string", "x"))


def optional_input(folder: Path) -> None:
    """Multiplies by a factor that is 3 if it is left out."""
    save(
        folder,
        lambda x, factor: {"y": x * factor},
        Spec([None], "float32", "x"),
        Spec([], "float32", "factor"),
    )
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    signature.defaults["factor"].CopyFrom(tf.make_tensor_proto(3.0))
    file.write_bytes(model.SerializeToString())


SYMBOLS = " .abcdefghijklmnopqrstuvwxyz\n"
NUMBERS, READS = 8, 12  # of a state, of a prompt


def write_on(state: Any, symbol: Any, control: Any) -> Any:
    """A state after one more symbol: NumPy's and TensorFlow's whole numbers alike."""
    places = [7 * place + 1 for place in range(NUMBERS)]
    turned = state * 3 + state[:, ::-1] + symbol[:, None] * 5 + control[:, None] * 11
    return (turned + places) % 101


def next_logits(state: Any) -> Any:
    """Of each symbol, in sixteenths; (rows, symbols)."""
    near = [[(3 * n + 7 * s) % 17 for s in range(len(SYMBOLS))] for n in range(NUMBERS)]
    sums = sum(state[:, n, None] * [near[n]] for n in range(NUMBERS))
    return sums % 97


def writer(*, control: bool = True) -> Any:
    """A module with `read` and `step` of texts, by whole numbers alone."""

    def both(state: Any) -> dict[str, Any]:
        return {"state": state, "logits": next_logits(state)}

    def read(prompt: Any, *asked: Any) -> dict[str, Any]:
        given = asked[0] if asked else prompt[:, 0] * 0
        state = tf.zeros([1, NUMBERS], tf.int32) + prompt[:, :1] * 0
        for place in range(READS):
            symbol = prompt[:, place]
            state = tf.where(symbol[:, None] < 0, state, write_on(state, symbol, given))
        return both(state)

    def step(state: Any, symbol: Any, *asked: Any) -> dict[str, Any]:
        return both(write_on(state, symbol, asked[0] if asked else symbol * 0))

    module = tf.Module()
    asked = [Spec([None], "int32", "control")] * control
    specs = {
        "read": (read, [Spec([None, READS], "int32", "prompt"), *asked]),
        "step": (
            step,
            [
                Spec([None, NUMBERS], "int32", "state"),
                Spec([None], "int32", "symbol"),
                *asked,
            ],
        ),
    }
    for name, (function, inputs) in specs.items():
        made = tf.function(function, autograph=False, input_signature=inputs)
        setattr(module, name, made)
    return module


def writes(folder: Path, *, control: bool = True) -> None:
    """A model that writes."""
    module = writer(control=control)
    signatures = {name: getattr(module, name) for name in ("read", "step")}
    tf.saved_model.save(module, str(folder), signatures=signatures)


def scored_examples(folder: Path) -> None:
    """Examples of one number each: its sign is the class, its double the value."""
    features = {"a": tf.io.FixedLenFeature([1], tf.float32)}

    def parse(serialized: Any) -> Any:
        return tf.io.parse_example(serialized, features)["a"]

    def classify(serialized: Any) -> dict[str, Any]:
        a = parse(serialized)
        classes = tf.where(a < 0, "negative", "positive")
        return {"classes": classes, "scores": tf.abs(a)}

    def regress(serialized: Any) -> dict[str, Any]:
        return {"outputs": 2 * parse(serialized)}

    text = Spec([None], "string", "inputs")
    save(folder, classify, text, classify=(classify, text), regress=(regress, text))
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signatures = model.meta_graphs[0].signature_def
    for name in ("classify", "regress"):
        signatures[name].method_name = f"tensorflow/serving/{name}"
    file.write_bytes(model.SerializeToString())


def version_one(folder: Path) -> None:
    """As TensorFlow 1 wrote it: a graph, a session, a variable; y = x / 2 + 2."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None], "x")
        half = v1.get_variable("half", initializer=0.5, use_resource=False)
        y = v1.identity(x * half + 2.0, "y")
        session.run(v1.global_variables_initializer())
        definition = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], {"serving_default": definition}
        )
        builder.save()


KINDS: dict[str, Write] = {
    write.__name__: write
    for write in (
        half_plus_two, two_inputs, every_dtype, fixed_rows, no_rows, scalar,
        scalar_output, other_length, free_shape, any_rank, several_signatures,
        hash_table, table_from_asset, mutable_table, counter, mixes_rows, variables,
        scalar_text, optional_input, version_one,
    )
}  # fmt: skip
"""Those that are to be served, by name."""


def forbidden(folder: Path, operation: str) -> None:
    """A SavedModel whose only signature uses a forbidden operation."""

    def call(text: Any) -> dict[str, Any]:
        return {"y": USES[operation](text)}

    save(folder, call, Spec([None], "string", "text"))


def _dataset(dataset: Any) -> Any:
    return dataset.reduce(tf.constant(""), lambda _, each: each)


USES: dict[str, Callable[[Any], Any]] = {
    "ReadFile": lambda text: tf.io.read_file(text[0]),
    "MatchingFiles": lambda text: tf.io.matching_files(text),
    "WriteFile": lambda text: _after(tf.io.write_file("/nowhere/x", text[0]), text),
    "PyFunc": lambda text: tf.numpy_function(lambda each: each, [text], tf.string),
    "EagerPyFunc": lambda text: tf.py_function(lambda each: each, [text], tf.string),
    "TextLineDataset": lambda text: _dataset(tf.data.TextLineDataset(text)),
    "TFRecordDataset": lambda text: _dataset(tf.data.TFRecordDataset(text)),
    "SaveV2": lambda text: _after(
        tf.raw_ops.SaveV2(
            prefix=text[0], tensor_names=["x"], shape_and_slices=[""], tensors=[text]
        ),
        text,
    ),
    "RestoreV2": lambda text: tf.raw_ops.RestoreV2(
        prefix=text[0], tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.string]
    )[0],
    "PrintV2": lambda text: _after(
        tf.raw_ops.PrintV2(input="x", output_stream="file:///nowhere/x"), text
    ),
    "Abort": lambda text: _after(tf.raw_ops.Abort(error_msg="no"), text),
}
"""How a model would use operations that reach out of the process."""


def _after(operation: Any, text: Any) -> Any:
    with tf.control_dependencies([operation]):
        return tf.identity(text)
