"""Which signatures of a version compute in bfloat16: those that have proven it.

Wanted, had by the processor, proven by the samples, and faster: what is not all of
that stays in float32, each signature by itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from service.contract.compilation import Precision, PrecisionChoice, Proof
from service.contract.contract import Contract
from service.contract.golden import Golden
from service.contract.policy import ModelPolicy, WantedPrecision
from service.engine.compute.comparison import ratio, time_batches
from service.engine.compute.proof import (
    Unproven,
    check_floats,
    check_labels,
    prove,
)
from service.engine.compute.runtime import Compiler, Model

ASKED_FOR = "it is asked for"
TURNS = 2  # in which both precisions are timed
NO_PROCESSOR = "the processor has no bfloat16"
LEAST_GAIN = 1.1  # times as fast, unless it is asked for: for less, no other digits


class Source(NamedTuple):
    """A version that is being compiled.

    Attributes:
        folder: Where it lies.
        contract: What it promises.
        golden: The samples of all of its signatures.
        draft: What was compiled of it.
    """

    folder: Path
    contract: Contract
    golden: Golden
    draft: Path


class PrecisionReducer:
    """Has signatures compute in bfloat16, where that is right.

    Args:
        compiler: Compiles versions, and loads them.
        wanted: See `SERVERY_PRECISION`.
        able: Whether the processor has bfloat16.
    """

    def __init__(self, compiler: Compiler, wanted: WantedPrecision, *, able: bool):
        self._compiler, self._wanted, self._able = compiler, wanted, able

    def wanted_by(self, policy: ModelPolicy) -> WantedPrecision:
        """What an operator wants of a model."""
        return policy.precision or self._wanted

    def reduce(
        self, source: Source, exact: Model, wanted: WantedPrecision
    ) -> tuple[Model, PrecisionChoice]:
        """The version with what may be in bfloat16 in it.

        Args:
            source: The version.
            exact: What was compiled of it in float32.
            wanted: What the operator wants of it.

        Returns:
            What is to be served, `exact` where all is to stay as it is; and why.

        Raises:
            OSError: What is compiled cannot be written.
        """
        if wanted == "float32" or not self._able:
            reason = ASKED_FOR if wanted == "float32" else NO_PROCESSOR
            return exact, PrecisionChoice(name="float32", reason=reason)
        faults = _find_faults(source, wanted)
        hopeful = [name for name in source.contract.signatures if name not in faults]
        proofs: dict[str, Proof] = {}
        try:
            model = self._compile(source, hopeful) if hopeful else exact
            for name in hopeful:
                try:
                    proofs[name] = _prove(source, name, exact, model, wanted)
                except Unproven as error:
                    faults[name] = str(error)
            if len(proofs) < len(hopeful):
                model = self._load(source, proofs) if proofs else exact
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever native code raises
            reason = f"in bfloat16 it fails: {error}"
            return exact, PrecisionChoice(name="float32", reason=reason)
        return model, PrecisionChoice(
            name="bfloat16" if proofs else "float32",
            reason=_explain(source.contract, proofs, faults),
            signatures=proofs,
        )

    def _compile(self, source: Source, names: list[str]) -> Model:
        precisions: dict[str, Precision] = dict.fromkeys(names, "bfloat16")
        self._compiler.compile(source.folder, source.contract, source.draft, precisions)
        return self._load(source, precisions)

    def _load(self, source: Source, names: Mapping[str, object]) -> Model:
        precisions: dict[str, Precision] = dict.fromkeys(names, "bfloat16")
        return self._compiler.load(source.contract, source.draft, precisions)


def _find_faults(source: Source, wanted: WantedPrecision) -> dict[str, str]:
    """Why signatures stay in float32, as far as can be told without trying."""
    faults, contract = {}, source.contract
    for name in contract.signatures:
        try:
            if wanted == "auto":
                check_labels(contract, name, source.golden.samples[name])
            else:
                check_floats(contract, name)
        except Unproven as error:
            faults[name] = str(error)
    return faults


def _prove(
    source: Source, name: str, exact: Model, model: Model, wanted: WantedPrecision
) -> Proof:
    """Compare one signature in both precisions, by its answers and its speed.

    Raises:
        Unproven: It does not answer as well, or gains nothing and nobody insists.
    """
    proof = prove(
        model,
        name,
        source.golden.samples[name],
        contract=source.contract,
        by_labels=wanted == "auto",
    )
    alone = source.golden.only([name])
    took = _time_in_turns({"float32": exact, "bfloat16": model}, alone)
    faster = ratio(took["float32"], took["bfloat16"])
    if faster < LEAST_GAIN and wanted == "auto":
        raise Unproven(
            f"expected it to be {LEAST_GAIN:g} times as fast in bfloat16, received "
            f"{faster:.2f}"
        )
    milliseconds = {
        precision: {str(rows): round(each * 1000, 3) for rows, each in times.items()}
        for precision, times in took.items()
    }
    facts = {"faster": round(faster, 2), "milliseconds": milliseconds}
    return proof.model_copy(update=facts)


def _time_in_turns(
    models: Mapping[Precision, Model], golden: Golden
) -> dict[Precision, dict[int, float]]:
    """The least seconds of each, in turns: what else runs here slows down both."""
    took: dict[Precision, dict[int, float]] = {name: {} for name in models}
    for _ in range(TURNS):
        for name, model in models.items():
            for rows, seconds in time_batches(model, golden).items():
                took[name][rows] = min(seconds, took[name].get(rows, seconds))
    return took


def _explain(
    contract: Contract, proofs: Mapping[str, Proof], faults: Mapping[str, str]
) -> str:
    """What was found of each signature; the only one needs no name."""
    found = {name: _tell(proof) for name, proof in proofs.items()} | dict(faults)
    if len(contract.signatures) == 1:
        return next(iter(found.values()))
    return "; ".join(f"{name}: {found[name]}" for name in contract.signatures)


def _tell(proof: Proof) -> str:
    said = f"differs by at most {proof.difference:.2g}"
    if proof.changed is not None:
        said = f"{proof.changed} of {proof.rows:,} answers changed"
    return f"{said}, {proof.faster:.2f} times as fast"
