"""What a run gives, as it was measured; kept in a file, so that a run can go on."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.bare import Bare
from benchmarks.load import Load
from benchmarks.processes import Memory


@dataclass(frozen=True, slots=True)
class Sample:
    """One load in one round.

    Attributes:
        target: Its name.
        model: That was asked.
        connections: That were kept busy.
        load: What wrk saw.
        cpu_s: CPU seconds of the server's processes.
        rows: In the batches that the server ran, where it tells.
        batches: That it ran, where it tells.
        others: Share of the machine that others took meanwhile.
    """

    target: str
    model: str
    connections: int
    load: Load
    cpu_s: float
    rows: float = 0.0
    batches: float = 0.0
    others: float = 0.0

    @property
    def key(self) -> "Key":
        """What a sample can be compared with."""
        return self.target, self.model, self.connections


Key = tuple[str, str, int]
"""The name of a target, a model, connections."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a server costs whether it is asked or not.

    Attributes:
        idle: Cores that it kept busy while idle: 0.01 is one per cent of a core.
        memory: Of all its processes.
    """

    idle: float
    memory: Memory


@dataclass(frozen=True, slots=True)
class Turn:
    """One server, or the bare model, for as long as it had the machine.

    Attributes:
        server: Its name.
        samples: Of its targets, the least disturbed of each kind.
        bare: Of the model without a server.
        upkeep: After the load.
        measured: How many samples were taken, those that were spoiled too.
    """

    server: str
    samples: list[Sample] = field(default_factory=list)
    bare: list[Bare] = field(default_factory=list)
    upkeep: Upkeep | None = None
    measured: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the service.

    Attributes:
        ready_s: Until all small models answered.
        import_s: That `import tensorflow` alone took, just before.
    """

    ready_s: float
    import_s: float


@dataclass(slots=True)
class Results:
    """All that was measured.

    Attributes:
        facts: Machine, versions, settings.
        turns: In their order in time; Servery's stand between those of the others.
        failed: Who could not be measured, and why.
        alone: Digits at one connection, with nothing else to do.
        beside: The same while photo is asked without a pause.
        starts: Of the service.
    """

    facts: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    alone: list[Load] = field(default_factory=list)
    beside: list[Load] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        """Of all servers."""
        return [sample for turn in self.turns for sample in turn.samples]

    @property
    def bare(self) -> list[Bare]:
        """Of all models."""
        return [bare for turn in self.turns for bare in turn.bare]

    def save(self, path: Path) -> None:
        """Write all of it, in one step."""
        beside = path.with_name(f"{path.name}.new")
        beside.write_bytes(TypeAdapter(Results).dump_json(self, indent=1))
        beside.replace(path)


def read_results(path: Path) -> Results:
    """What `Results.save` wrote.

    Raises:
        ValueError: It is something else.
    """
    return TypeAdapter(Results).validate_json(path.read_bytes())


def group(samples: Iterable[Sample]) -> dict[Key, list[Sample]]:
    """Samples by what they can be compared with."""
    groups = defaultdict(list)
    for sample in samples:
        groups[sample.key].append(sample)
    return dict(groups)


def keep(turn: Turn, rounds: int) -> Turn:
    """The turn with so many samples of each kind, those that others disturbed least."""
    kept = [
        sample
        for several in group(turn.samples).values()
        for sample in sorted(several, key=lambda each: each.others)[:rounds]
    ]
    return replace(turn, samples=kept)
