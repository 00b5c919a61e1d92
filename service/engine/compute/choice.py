"""Which runtime computes a version: the fastest of those that answer as TensorFlow.

    compiled ─▶ compared with TensorFlow's answers ─▶ timed beside TensorFlow ─▶ chosen
        ▲                                                                          │
        └───────────────── and next time, compared only ◀──────────────────────────┘

The answers are those that the version carries, or TensorFlow's to rows that are drawn.
What does not agree, or is far slower, or cannot be compiled, TensorFlow computes.
"""

import logging
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from service.contract.compilation import (
    Precision,
    PrecisionChoice,
    RuntimeChoice,
    find_obstacle,
)
from service.contract.contract import Contract
from service.contract.golden import (
    FILENAME,
    TOLERANCE,
    Golden,
    GoldenError,
    difference,
    read_golden,
    write_golden,
)
from service.contract.policy import ModelPolicy, WantedPrecision, WantedRuntime
from service.engine.compute.comparison import (
    answer_far,
    complete,
    measure,
    ratio,
    time_batches,
)
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.compiler_process import CompilerProcess
from service.engine.compute.kept_graphs import Host, KeptGraphs
from service.engine.compute.live_check import Batch, WatchedModel
from service.engine.compute.precision import TOLERANCE as BFLOAT16_TOLERANCE
from service.engine.compute.precision import has_bfloat16
from service.engine.compute.reduction import ASKED_FOR, PrecisionReducer
from service.engine.compute.reduction import Source as Draft
from service.engine.compute.runtime import Compiler, Loaded, Model, TensorFlow
from service.engine.reconciler import Key
from service.processes.cores import available_cores
from service.settings import Settings

logger = logging.getLogger(__name__)

PROCESSORS_DIFFER = 10  # times the tolerance is TensorFlow's own, on another machine
MOST_SLOWER = 1.2  # times as long as TensorFlow, whose process takes 200 MB or more
DISTRUSTED = "compiled, it answered a live batch otherwise"
NOT_BY_TENSORFLOW = "bfloat16 is asked for, and TensorFlow stays in float32"
OTHERWISE = "TensorFlow found its signatures to be otherwise than they say"


class Disagreement(ValueError):
    """What was compiled answers otherwise than TensorFlow."""


class _Source(NamedTuple):
    """Where a version came from."""

    folder: Path
    contract: Contract
    key: str
    bfloat16: Collection[str]


class RuntimeChooser:
    """Loads versions, each by the runtime that is best for it.

    Args:
        compiler: Compiles versions, and loads them.
        tensorflow: The reference.
        cache: Where decisions are kept.
        threads: Threads for one batch of a heavy version.
        wanted: See `SERVERY_RUNTIME`.
        tolerance: Largest difference of an output that is allowed.
        obstacle: Why nothing is compiled here, if so.
        rechecked: Live batches, of which one is computed by TensorFlow too; 0 = none.
        precision: See `SERVERY_PRECISION`.
        has_bfloat16: Whether the processor has it.
    """

    def __init__(
        self,
        compiler: Compiler,
        tensorflow: TensorFlow,
        cache: CompiledCache,
        threads: int,
        *,
        wanted: WantedRuntime = "auto",
        tolerance: float = TOLERANCE,
        obstacle: str | None = None,
        rechecked: int = 0,
        precision: WantedPrecision = "auto",
        has_bfloat16: bool = False,
    ):
        self._compiler = compiler
        self._tensorflow = tensorflow
        self._cache = cache
        self._threads = threads
        self._wanted = wanted
        self._tolerance = tolerance
        self._here = obstacle
        self._rechecked = rechecked
        self._reducer = PrecisionReducer(compiler, precision, able=has_bfloat16)
        self._watched: WeakKeyDictionary[WatchedModel, _Source] = WeakKeyDictionary()
        self._distrusted: set[str] = set()  # keys of the cache

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

    def recheck(self, unchanged: Collection[Key]) -> list[Key]:
        """Compute by TensorFlow what was kept of live batches of one version.

        Args:
            unchanged: Versions that lie on disk as they were when they were loaded.

        Returns:
            The version, if it answers otherwise: loaded anew, TensorFlow computes it.
        """
        for model, source in list(self._watched.items()):
            same = (source.contract.name, source.contract.version) in unchanged
            batch = model.take() if same else None
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
        reference = self._tensorflow.load(source.folder, contract, "float32")
        expected = reference.run(batch.signature, batch.inputs)
        del reference
        pairs = zip(expected, batch.outputs, strict=True)
        found = max((difference(*pair) for pair in pairs), default=0.0)
        key = contract.name, contract.version
        logger.info("%s %d was checked again: it differs by %.2g", *key, found)
        if found <= self._allow(reduced=batch.signature in source.bfloat16):
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
            precision = self._uncompiled_precision(policy)
            return self._load_tensorflow(folder, contract, precision, obstacle)
        key = self._key(folder, contract, policy)
        if key in self._distrusted:
            return self._cache.keep(
                key,
                lambda _: self._load_tensorflow(
                    folder, contract, "float32", DISTRUSTED
                ),
            )
        loaded = self._load_kept(key, folder, contract, policy)
        if loaded is None:
            loaded = self._decide(key, folder, contract, policy)
        source = _Source(folder, contract, key, loaded.model.bfloat16)
        return self._watch(loaded, source)

    def _load_kept(
        self, key: str, folder: Path, contract: Contract, policy: ModelPolicy
    ) -> Loaded | None:
        """By what was decided before, if that is known."""
        kept = self._cache.find(key)
        if kept is None:
            return None
        entry, choice = kept
        if choice.name == "tensorflow":
            precision = self._uncompiled_precision(policy)
            return self._load_tensorflow(folder, contract, precision, choice)
        began = time.perf_counter()
        try:
            golden = read_golden(entry / FILENAME, contract.signatures)
            if golden is None:
                raise FileNotFoundError(FILENAME)
            model = self._compiler.load(contract, entry, _find_precisions(choice))
            self._check_compiled(model, golden)
        except OSError as error:  # another service is making it anew
            logger.info("%s is gone: %s", entry, error)
            return None
        except ValueError as error:
            precision = self._uncompiled_precision(policy)
            return self._load_tensorflow(folder, contract, precision, str(error))
        return Loaded(model, choice, time.perf_counter() - began)

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
        return self._here or find_obstacle(contract)

    def _key(self, folder: Path, contract: Contract, policy: ModelPolicy) -> str:
        wanted = self._wanted_by(policy)
        conditions = (wanted, f"{self._threads} threads", str(self._tolerance))
        precision = self._reducer.wanted_by(policy)
        return self._cache.key(folder, contract, *conditions, precision)

    def _uncompiled_precision(self, policy: ModelPolicy) -> Precision:
        """What TensorFlow is to serve in: bfloat16 only where that is asked for."""
        asked_for = self._reducer.wanted_by(policy) == "bfloat16"
        return "bfloat16" if asked_for else "float32"

    def _allow(self, *, reduced: bool) -> float:
        """The largest difference that is allowed in a precision."""
        return max(self._tolerance, BFLOAT16_TOLERANCE) if reduced else self._tolerance

    def _wanted_by(self, policy: ModelPolicy) -> WantedRuntime:
        return self._wanted if policy.runtime == "auto" else policy.runtime

    def _load_tensorflow(
        self,
        folder: Path,
        contract: Contract,
        precision: Precision,
        choice: RuntimeChoice | str,
    ) -> Loaded:
        """By TensorFlow, held against what it once answered.

        Args:
            folder: See `load`.
            contract: See there.
            precision: In which, where it agrees with itself in that.
            choice: What was decided, or why TensorFlow it is.
        """
        model = self._tensorflow.load(folder, contract, precision)
        warm_s = model.warm()
        facts: dict[str, Any] = {}
        golden = read_golden(folder / FILENAME, contract.signatures)
        if golden is not None and precision == "float32":
            found = self._check_tensorflow(model, golden)
            facts = {"samples": golden.origin, "difference": found}
        if isinstance(choice, str):
            choice = RuntimeChoice(name="tensorflow", reason=choice, **facts)
        if precision == "bfloat16":
            found_in: Precision = "bfloat16" if model.bfloat16 else "float32"
            why = ASKED_FOR if model.bfloat16 else NOT_BY_TENSORFLOW
            said = PrecisionChoice(name=found_in, reason=why)
            choice = choice.model_copy(update={"precision": said})
        return Loaded(model, choice, warm_s)

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
        """Load a version by both runtimes, and keep the better one.

        TensorFlow is the reference in float32; what is to be served by it in another
        precision is loaded once more.
        """
        loaded = self._decide_beside(key, folder, contract, policy)
        precision, choice = self._uncompiled_precision(policy), loaded.choice
        if precision == "float32" or choice is None or choice.name == "openvino":
            return loaded
        return self._load_tensorflow(folder, contract, precision, choice)

    def _decide_beside(
        self, key: str, folder: Path, contract: Contract, policy: ModelPolicy
    ) -> Loaded:
        """The better one of both runtimes, of which TensorFlow computes in float32."""
        by_tensorflow = self._load_tensorflow(folder, contract, "float32", OTHERWISE)
        reference = by_tensorflow.model
        if reference.contract != contract:
            return by_tensorflow
        try:
            golden = read_golden(folder / FILENAME, contract.signatures)
            golden = complete(golden, contract, reference)
        except GoldenError as error:
            return _by_tensorflow(by_tensorflow, str(error))

        def decide(draft: Path) -> Loaded:
            write_golden(draft / FILENAME, golden, contract.signatures)
            source = Draft(folder, contract, golden, draft)
            return self._compare(source, by_tensorflow, policy)

        try:
            return self._cache.keep(key, decide)
        except OSError as error:
            reason = f"there is no folder to compile it in: {error}"
            return _by_tensorflow(by_tensorflow, reason)

    def _compare(
        self, source: Draft, uncompiled: Loaded, policy: ModelPolicy
    ) -> Loaded:
        """What was compiled; TensorFlow's, where it fails, differs or is far slower."""
        folder, contract, golden, draft = source
        reference, began = uncompiled.model, time.perf_counter()
        wanted = self._wanted_by(policy)
        facts: dict[str, Any] = {"samples": golden.origin}
        try:
            far = self._find_noise(golden, reference, wanted, facts)
            self._compiler.compile(folder, contract, draft)
            model = self._compiler.load(contract, draft)
            found = max(self._check_compiled(model, each) for each in (golden, far))
            facts["difference"] = found
        except ValueError as error:
            return _by_tensorflow(uncompiled, str(error), **facts)
        asked = self._reducer.wanted_by(policy)
        model, precision = self._reducer.reduce(source, model, asked)
        seconds = time.perf_counter() - began
        times = {"openvino": time_batches(model, golden)}
        times["tensorflow"] = time_batches(reference, golden)
        facts["milliseconds"] = {
            name: {str(rows): round(each * 1000, 3) for rows, each in took.items()}
            for name, took in times.items()
        }
        faster = ratio(times["tensorflow"], times["openvino"])
        if faster < 1 / MOST_SLOWER and wanted == "auto":
            reason = f"compiled, it takes {1 / faster:.2f} times as long"
            return _by_tensorflow(uncompiled, reason, **facts)
        reason = f"compiled, it is {faster:.2f} times as fast"
        if faster < 1:
            slower = f"compiled, it takes {1 / faster:.2f} times as long"
            reason = f"{slower}, without TensorFlow"
        facts["precision"] = precision
        choice = RuntimeChoice(name="openvino", reason=reason, **facts)
        return Loaded(model, choice, seconds)

    def _find_noise(
        self,
        golden: Golden,
        reference: Model,
        wanted: WantedRuntime,
        facts: dict[str, Any],
    ) -> Golden:
        """Note by how much TensorFlow differs from itself.

        Returns:
            Samples from further out, for the other one to be compared by as well.

        Raises:
            ValueError: It differs by too much, or refuses these and nobody insists.
        """
        try:
            far = answer_far(reference.contract, reference)
        except GoldenError:
            if wanted == "auto":
                raise
            far = Golden("drawn")
        noise = max(measure(reference, each) for each in (golden, far))
        facts["noise"] = noise
        if noise > self._tolerance:
            raise Disagreement(f"TensorFlow differs from itself by {noise:.2g}")
        return far

    def _check_compiled(self, model: Model, golden: Golden) -> float:
        """The largest difference of what was compiled, of its precision's or less.

        Raises:
            Disagreement: It fails, or answers otherwise.
        """
        largest = 0.0
        for name in golden.samples:
            try:
                found = measure(model, golden.only([name]))
            except Exception as error:  # whatever native code raises
                raise Disagreement(f"what was compiled fails: {error}") from error
            allowed = self._allow(reduced=name in model.bfloat16)
            if not found <= allowed:
                raise Disagreement(
                    "what was compiled answers otherwise: expected a difference of at "
                    f"most {allowed:g}, received {found:.2g}"
                )
            largest = max(largest, found)
        return largest


def _find_precisions(choice: RuntimeChoice) -> dict[str, Precision]:
    found = {} if choice.precision is None else choice.precision.signatures
    return dict.fromkeys(found, "bfloat16")


def _by_tensorflow(loaded: Loaded, reason: str, **facts: Any) -> Loaded:
    choice = RuntimeChoice(name="tensorflow", reason=reason, **facts)
    return loaded._replace(choice=choice)


def make_chooser(settings: Settings, host: Host) -> RuntimeChooser:
    """The chooser that the settings ask for."""
    obstacle = None
    if settings.device != "cpu" and has_gpu():
        obstacle = "a GPU computes it"
    threads = settings.tensorflow_threads or available_cores()
    cache = CompiledCache(_expand(settings.cache))
    return RuntimeChooser(
        CompilerProcess(threads),
        host if obstacle is not None else KeptGraphs(host, cache),
        cache,
        threads,
        wanted=settings.runtime,
        tolerance=settings.runtime_tolerance,
        obstacle=obstacle,
        rechecked=settings.rechecked_batches,
        precision=settings.precision,
        has_bfloat16=has_bfloat16(),
    )


def _expand(folder: Path | None) -> Path | None:
    """The folder, with a home in it, where there is one."""
    try:
        return folder.expanduser() if folder is not None else None
    except RuntimeError:  # a user that the system does not know
        return None


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether there is a GPU that TensorFlow may find; it would have to be imported."""
    return any(devices.glob("nvidia[0-9]*"))
