"""Which runtime computes a version: the fastest of those that answer as TensorFlow.

    compiled ─▶ compared with TensorFlow's answers ─▶ timed beside TensorFlow ─▶ chosen
        ▲                                                                          │
        └───────────────── and next time, compared only ◀──────────────────────────┘

The answers are those that the version carries, or TensorFlow's to rows that are drawn.
What does not agree, or is slower, or cannot be compiled, TensorFlow computes.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from service.contract.compilation import RuntimeChoice, find_obstacle
from service.contract.contract import Contract
from service.contract.golden import (
    FILENAME,
    TOLERANCE,
    Golden,
    GoldenError,
    Samples,
    difference,
    read_golden,
    write_golden,
)
from service.contract.policy import ModelPolicy, WantedRuntime
from service.contract.samples import draw
from service.contract.signature import Signature
from service.engine.batching.tensors import Tensors, count_rows
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.live_check import Batch, WatchedModel
from service.engine.compute.runtime import Compiler, Loaded, Model, TensorFlow
from service.engine.ended import ProcessDied
from service.engine.reconciler import Key
from service.processes.cores import available_cores
from service.settings import Settings

logger = logging.getLogger(__name__)

TIMED_S = 0.3  # at most, of a runtime at one size, but for its first run
TIMED_RUNS = 20
PROCESSORS_DIFFER = 10  # times the tolerance is TensorFlow's own, on another machine
DISTRUSTED = "compiled, it answered a live batch otherwise"
OTHERWISE = "TensorFlow found its signatures to be otherwise than they say"


class Disagreement(ValueError):
    """What was compiled answers otherwise than TensorFlow."""


class _Source(NamedTuple):
    """Where a version came from."""

    folder: Path
    contract: Contract
    key: str


class RuntimeChooser:
    """Loads versions, each by the runtime that is best for it.

    Args:
        make_compiler: Called with `threads` when the first version is to be compiled:
            importing OpenVINO takes half a second.
        tensorflow: The reference.
        cache: Where decisions are kept.
        threads: Threads for one batch of a heavy version.
        wanted: See `SERVERY_RUNTIME`.
        tolerance: Largest difference of an output that is allowed.
        obstacle: Why nothing is compiled here, if so.
        rechecked: Live batches, of which one is computed by TensorFlow too; 0 = none.
    """

    def __init__(
        self,
        make_compiler: Callable[[int], Compiler],
        tensorflow: TensorFlow,
        cache: CompiledCache,
        threads: int,
        *,
        wanted: WantedRuntime = "auto",
        tolerance: float = TOLERANCE,
        obstacle: str | None = None,
        rechecked: int = 0,
    ):
        self._make_compiler = make_compiler
        self._tensorflow = tensorflow
        self._cache = cache
        self._threads = threads
        self._wanted = wanted
        self._tolerance = tolerance
        self._here = obstacle
        self._rechecked = rechecked
        self._watched: WeakKeyDictionary[WatchedModel, _Source] = WeakKeyDictionary()
        self._distrusted: set[str] = set()  # keys of the cache

    @cached_property
    def _compiler(self) -> Compiler:
        return self._make_compiler(self._threads)

    def is_quick(self, folder: Path, contract: Contract, policy: ModelPolicy) -> bool:
        """Whether a version is known to need no TensorFlow."""
        if self._find_obstacle(contract, policy) is not None:
            return False
        kept = self._cache.peek(self._key(folder, contract, policy))
        return kept is not None and kept.name == "openvino"

    def expect_others(self) -> None:
        """Start TensorFlow's process: it takes seconds, in which others are loaded."""
        self._tensorflow.start()

    def release(self) -> None:
        """End TensorFlow's process, if no version is left in it."""
        self._tensorflow.release()

    def recheck(self) -> list[Key]:
        """Compute by TensorFlow what was kept of live batches of one version.

        Returns:
            The version, if it answers otherwise: loaded anew, TensorFlow computes it.
        """
        for model, source in list(self._watched.items()):
            batch = model.take()
            if batch is not None:
                try:
                    return self._recheck(source, batch)
                except Exception:
                    logger.exception("%s cannot be checked again", source.contract.name)
                finally:
                    self._tensorflow.release()
        return []

    def _recheck(self, source: _Source, batch: Batch) -> list[Key]:
        contract = source.contract
        reference = self._tensorflow.load(source.folder, contract, None)
        expected = reference.run(batch.signature, batch.inputs)
        del reference
        pairs = zip(expected, batch.outputs, strict=True)
        found = max((difference(*pair) for pair in pairs), default=0.0)
        key = contract.name, contract.version
        logger.info("%s %d was checked again: it differs by %.2g", *key, found)
        if found <= self._tolerance:
            return []
        logger.error(
            "%s %d answers otherwise than TensorFlow, by %.2g: that takes over",
            *(*key, found),
        )
        self._distrusted.add(source.key)
        return [key]

    def load(self, folder: Path, contract: Contract, policy: ModelPolicy) -> Loaded:
        """Load a version by the runtime that is best for it, warm and compared.

        Args:
            folder: Where it lies.
            contract: What it promises.
            policy: What the operator wants of it.

        Raises:
            GoldenError: The samples that it carries are damaged, or TensorFlow does not
                answer to them as it did when they were written.
        """
        obstacle = self._find_obstacle(contract, policy)
        if obstacle is not None:
            return self._load_checked(folder, contract, policy, obstacle)
        key = self._key(folder, contract, policy)
        if key in self._distrusted:
            return self._load_checked(folder, contract, policy, DISTRUSTED)
        kept = self._cache.find(key)
        if kept is None:
            loaded = self._decide(key, folder, contract, policy)
            return self._watch(loaded, _Source(folder, contract, key))
        entry, choice = kept
        if choice.name == "tensorflow":
            return self._load_tensorflow(folder, contract, policy, choice)
        began = time.perf_counter()
        try:
            golden = read_golden(entry / FILENAME, contract.signatures)
            golden = golden or Golden("drawn")
            model, _ = self._compile(folder, contract, golden, entry)
        except ValueError as error:
            return self._load_checked(folder, contract, policy, str(error))
        loaded = Loaded(model, choice, time.perf_counter() - began)
        return self._watch(loaded, _Source(folder, contract, key))

    def _watch(self, loaded: Loaded, source: _Source) -> Loaded:
        """The same, if it was compiled, with an eye on it."""
        if not self._rechecked or not loaded.choice or loaded.choice.name != "openvino":
            return loaded
        watched = WatchedModel(loaded.model, self._rechecked)
        self._watched[watched] = source
        return loaded._replace(model=watched)

    def _find_obstacle(self, contract: Contract, policy: ModelPolicy) -> str | None:
        if self._wanted_by(policy) == "tensorflow":
            return "it is asked for"
        if policy.precision == "bfloat16":
            return "bfloat16 is asked for"
        return self._here or find_obstacle(contract)

    def _key(self, folder: Path, contract: Contract, policy: ModelPolicy) -> str:
        wanted = self._wanted_by(policy)
        conditions = (wanted, f"{self._threads} threads", str(self._tolerance))
        return self._cache.key(folder, contract, *conditions)

    def _wanted_by(self, policy: ModelPolicy) -> WantedRuntime:
        return self._wanted if policy.runtime == "auto" else policy.runtime

    def _load_tensorflow(
        self,
        folder: Path,
        contract: Contract,
        policy: ModelPolicy,
        choice: RuntimeChoice,
    ) -> Loaded:
        model = self._tensorflow.load(folder, contract, policy.precision)
        return Loaded(model, choice, model.warm())

    def _load_checked(
        self, folder: Path, contract: Contract, policy: ModelPolicy, reason: str
    ) -> Loaded:
        """By TensorFlow, held against what it once answered."""
        choice = RuntimeChoice(name="tensorflow", reason=reason)
        loaded = self._load_tensorflow(folder, contract, policy, choice)
        golden = read_golden(folder / FILENAME, contract.signatures)
        if golden is None or policy.precision == "bfloat16":
            return loaded
        found = self._check_tensorflow(loaded.model, golden)
        facts = {"samples": golden.origin, "difference": found}
        return loaded._replace(choice=choice.model_copy(update=facts))

    def _check_tensorflow(self, model: Model, golden: Golden) -> float:
        """The largest difference of TensorFlow's answers from what it once answered."""
        found, allowed = measure(model, golden), self._tolerance * PROCESSORS_DIFFER
        if found > allowed:
            raise GoldenError(
                "TensorFlow answers otherwise than when the samples were written: "
                f"expected a difference of at most {allowed:g}, received {found:.2g}; "
                "files, processor or build may be damaged"
            )
        return found

    def _decide(
        self, key: str, folder: Path, contract: Contract, policy: ModelPolicy
    ) -> Loaded:
        """Load a version by both runtimes, and keep the better one."""
        choice = RuntimeChoice(name="tensorflow", reason=OTHERWISE)
        by_tensorflow = self._load_tensorflow(folder, contract, policy, choice)
        reference = by_tensorflow.model
        if reference.contract != contract:
            return by_tensorflow
        golden = read_golden(folder / FILENAME, contract.signatures)
        if golden is not None:
            self._check_tensorflow(reference, golden)
        try:
            golden = _complete(golden, contract, reference)
        except GoldenError as error:
            choice = choice.model_copy(update={"reason": str(error)})
            return by_tensorflow._replace(choice=choice)
        wanted = self._wanted_by(policy)

        def decide(draft: Path | None) -> Loaded:
            if draft is not None:
                write_golden(draft / FILENAME, golden, contract.signatures)
            return self._compare(folder, golden, by_tensorflow, draft, wanted)

        return self._cache.keep(key, decide)

    def _compare(
        self,
        folder: Path,
        golden: Golden,
        uncompiled: Loaded,
        draft: Path | None,
        wanted: WantedRuntime,
    ) -> Loaded:
        reference = uncompiled.model
        noise = measure(reference, golden)
        facts: dict[str, Any] = {"samples": golden.origin, "noise": noise}

        def by_tensorflow(reason: str) -> Loaded:
            choice = RuntimeChoice(name="tensorflow", reason=reason, **facts)
            return uncompiled._replace(choice=choice)

        if noise > self._tolerance:
            return by_tensorflow(f"TensorFlow differs from itself by {noise:.2g}")
        began = time.perf_counter()
        try:
            model, found = self._compile(folder, reference.contract, golden, draft)
        except ValueError as error:
            return by_tensorflow(str(error))
        seconds = time.perf_counter() - began
        facts["difference"] = found
        times = {"openvino": time_batches(model, golden)}
        times["tensorflow"] = time_batches(reference, golden)
        facts["milliseconds"] = {
            name: {str(rows): round(each * 1000, 3) for rows, each in took.items()}
            for name, took in times.items()
        }
        ratio = _ratio(times["tensorflow"], times["openvino"])
        if ratio < 1 and wanted == "auto":
            return by_tensorflow(f"compiled, it takes {1 / ratio:.2f} times as long")
        reason = f"compiled, it is {ratio:.2f} times as fast"
        choice = RuntimeChoice(name="openvino", reason=reason, **facts)
        return Loaded(model, choice, seconds)

    def _compile(
        self, folder: Path, contract: Contract, golden: Golden, cache: Path | None
    ) -> tuple[Model, float]:
        """What was compiled, if it answers as TensorFlow does.

        Returns:
            It, and the largest difference of its answers.

        Raises:
            ValueError: It cannot be compiled, or answers otherwise.
        """
        model = self._compiler.load(folder, contract, cache)
        found = measure(model, golden)
        if found > self._tolerance:
            raise Disagreement(
                "what was compiled answers otherwise: expected a difference of at most "
                f"{self._tolerance:g}, received {found:.2g}"
            )
        return model, found


def make_chooser(settings: Settings, tensorflow: TensorFlow) -> RuntimeChooser:
    """The chooser that the settings ask for."""
    obstacle = None
    if settings.precision == "bfloat16":
        obstacle = "bfloat16 is asked for"
    elif settings.device != "cpu" and has_gpu():
        obstacle = "a GPU computes it"
    return RuntimeChooser(
        _make_openvino,
        tensorflow,
        CompiledCache(_expand(settings.cache)),
        settings.tensorflow_threads or available_cores(),
        wanted=settings.runtime,
        tolerance=settings.runtime_tolerance,
        obstacle=obstacle,
        rechecked=settings.rechecked_batches,
    )


def _expand(folder: Path | None) -> Path | None:
    """The folder, with a home in it, where there is one."""
    try:
        return folder.expanduser() if folder is not None else None
    except RuntimeError:  # a user that the system does not know
        return None


def _make_openvino(threads: int) -> Compiler:
    from service.engine.compute.openvino_runtime import OpenVINORuntime

    return OpenVINORuntime(threads)


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether there is a GPU that TensorFlow may find; it would have to be imported."""
    return any(devices.glob("nvidia[0-9]*"))


def measure(model: Model, golden: Golden) -> float:
    """The largest difference of a model's answers from the samples.

    It is asked in batches of every size that it will be asked in, by other rows each.
    """
    largest = 0.0
    for name, samples in golden.samples.items():
        for inputs, expected in _batches(model.contract, name, samples):
            for one, other in zip(expected, model.run(name, inputs), strict=True):
                largest = max(largest, difference(one, other))
    return largest


def time_batches(model: Model, golden: Golden) -> dict[int, float]:
    """The least seconds that a batch takes, by its rows: the fewest and the most.

    Of several signatures, all together.
    """
    took: dict[int, float] = {}
    for name, samples in golden.samples.items():
        batches = [each for each, _ in _batches(model.contract, name, samples)]
        for inputs in (batches[0], batches[-1])[: len(batches)]:
            rows = count_rows(inputs)
            took[rows] = took.get(rows, 0.0) + _time(model, name, inputs)
    return took


def _time(model: Model, name: str, inputs: Tensors) -> float:
    least, end = math.inf, time.perf_counter() + TIMED_S
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        model.run(name, inputs)
        now = time.perf_counter()
        least = min(least, now - began)
        if now > end:
            break
    return least


def _ratio(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """How many times as long one takes as the other, in the geometric mean."""
    logarithms = [math.log(one[rows] / other[rows]) for rows in one]
    return math.exp(sum(logarithms) / len(logarithms))


def _batches(
    contract: Contract, name: str, samples: Samples
) -> Iterator[tuple[Tensors, Tensors]]:
    """Inputs and outputs of every allowed size, made of the samples in turn."""
    if not contract.batches(name):
        yield samples.inputs, samples.outputs
        return
    count, first = len(samples.inputs[0]), 0
    for size in contract.batch_sizes:
        chosen = np.arange(first, first + size) % count
        yield (
            tuple(each[chosen] for each in samples.inputs),
            tuple(each[chosen] for each in samples.outputs),
        )
        first += size


def _complete(golden: Golden | None, contract: Contract, reference: Model) -> Golden:
    """The samples of a version, with drawn ones where it carries none.

    Raises:
        GoldenError: None could be drawn that it takes.
    """
    samples = dict(golden.samples) if golden is not None else {}
    for name, signature in contract.signatures.items():
        if name not in samples:
            samples[name] = _draw(contract, name, signature, reference)
    return Golden(golden.origin if golden is not None else "drawn", samples)


def _draw(
    contract: Contract, name: str, signature: Signature, reference: Model
) -> Samples:
    count = contract.batch_sizes[-1] if contract.batches(name) else 1
    for drawn in draw(signature, count):
        inputs = tuple(drawn[spec.name] for spec in signature.inputs)
        try:
            return Samples(inputs, reference.run(name, inputs))
        except ProcessDied:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the model raises
            logger.info("%s refuses rows that were drawn: %s", contract.name, error)
    raise GoldenError(f"{name} takes none of the rows that were drawn")
