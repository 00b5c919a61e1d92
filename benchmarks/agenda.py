"""Who is measured between Servery's turns, and how."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.bare import SIZES, bare_model
from benchmarks.course import Course, Others
from benchmarks.measure import Plan, measure_bare
from benchmarks.peers.subjects import ENVIRONMENTS, PEERS, Peer
from benchmarks.peers.subjects import peers as peer_subjects
from benchmarks.results import Turn
from benchmarks.subjects import Subject, cores, plain, without_model
from service.contract.manifest import read_manifest
from service.engine.disk import find_versions

MODELS = ("digits", "photo", "sentiment")
NOT_BUILT = "its environment is not there; `make peers` builds it"
NOT_THERE = "no version of it is among the artifacts; `make photo` or `make train`"


def find_models(artifacts: Path) -> dict[str, Path]:
    """The versions that Servery answers with, of the models that are measured."""
    found = find_versions(artifacts)
    return {
        name: artifacts / name / str(max(found[name]))
        for name in MODELS
        if found.get(name)
    }


def list_subjects(models: Mapping[str, Path], *, peers: bool) -> list[Subject]:
    """The servers beside Servery: its HTTP layer alone, plain FastAPI, the peers."""
    subjects = [without_model(models["digits"])]
    subjects += [plain(models, workers=number) for number in sorted({1, cores()})]
    if peers:
        subjects += peer_subjects(models, cores=cores())
    return subjects


def note_missing(
    failed: dict[str, str], models: Mapping[str, Path], subjects: Iterable[Subject]
) -> None:
    """Note peers and models that are not there; forget those that are there by now."""
    there = {server.name.partition(",")[0] for server, _ in subjects} | models.keys()
    reasons = {peer.name: NOT_BUILT for peer in PEERS} | dict.fromkeys(
        MODELS, NOT_THERE
    )
    for name, reason in reasons.items():
        failed.pop(name, None)
        if name not in there:
            failed[name] = reason


def describe_peers() -> str:
    """What is installed of the peers, with its version."""
    return ", ".join(
        f"{package.name} {package.version}"
        for peer in PEERS
        for package in distributions(path=_places(peer))
        if package.name.lower() in (peer.folder, f"nvidia-{peer.folder}")
    )


def plan_others(
    course: Course, models: Mapping[str, Path], subjects: list[Subject], plan: Plan
) -> Others:
    """Everyone, in the order in which they are measured: bare models first."""
    bare = [
        (name, partial(_measure_bare, name, model, models[model], threads, plan))
        for name, model, threads in _bare_models(models)
    ]
    served: Others = [
        (subject[0].name, partial(course.other_turn, subject)) for subject in subjects
    ]
    return [*bare, *served]


def only(others: Others, name: str | None) -> Others:
    """Those whose name has `name` in it; all if it is None."""
    return [each for each in others if name is None or name.lower() in each[0].lower()]


def _bare_models(models: Mapping[str, Path]) -> Iterator[tuple[str, str, int]]:
    """Digits as the engine has it, on one core; photo on all of them."""
    yield "bare model, digits", "digits", 1
    if "photo" in models:
        yield "bare model, photo", "photo", cores()


def _places(peer: Peer) -> list[str]:
    """Where a peer's packages are."""
    environment = ENVIRONMENTS / peer.folder
    return [str(place) for place in environment.glob("lib/python*/site-packages")]


def _measure_bare(
    name: str, model: str, folder: Path, threads: int, plan: Plan
) -> Turn:
    largest = max(read_manifest(folder).batch_sizes)
    with bare_model(model, folder, threads) as bare:
        return measure_bare(bare, name, plan, sorted({*SIZES, largest}))
