"""`make bench`, `make bench-peers`: measure this machine, write down what it gave."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import FrameType

import click
import httpx

from benchmarks.course import QUICK, Course, Opponent, Plan
from benchmarks.facts import gather_facts
from benchmarks.load import LoadError, require_wrk
from benchmarks.page import draw, render
from benchmarks.peers.subjects import PEERS
from benchmarks.peers.subjects import peers as peer_subjects
from benchmarks.promises import BFLOAT16_MODELS, contenders
from benchmarks.results import Results, read_results
from benchmarks.servers import ServerError, running
from benchmarks.subjects import (
    ARTIFACTS,
    BFLOAT16,
    DOCS,
    FLOAT32,
    LOADS,
    cores,
    find_models,
    plain,
    raw,
    servery,
    without_model,
)
from benchmarks.workloads import WORK, make_bodies
from service.engine.compute.precision import has_bfloat16
from service.engine.disk import find_versions

FILE = Path(tempfile.gettempdir()) / "servery-benchmarks.json"
IMPORT = "import os, tensorflow; os._exit(0)"  # what comes after the import is not it
SEVEN = {
    *("digits", "sentiment", "party", "mammogram", "photo"),
    *("clothing_vae", "clothing_gan"),
}
"""Models of which the start is measured."""

NOT_BUILT = "its environment is not there; `make peers` builds it"
NOT_THERE = "no version of it is among the artifacts; `make photo` or `make train`"
Models = dict[str, Path]  # versions by name


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="One short round, to try it out.")
@click.option(
    "--peers",
    is_flag=True,
    help="All other servers and models, not plain FastAPI and digits alone; "
    "docs/benchmarks.md is written, unless it was quick.",
)
@click.option(
    "--resume",
    is_flag=True,
    help=f"Add what the run before lacks; it kept its figures in {FILE}.",
)
def main(*, quick: bool, peers: bool, resume: bool) -> None:
    """Measure Servery and other servers of the same models, in turns.

    Starts each on a free port of 127.0.0.1, checks that it answers rightly, and loads
    it with up to 128 connections. Plain FastAPI alone takes ten minutes, all peers
    some 45; the machine should have nothing else to do. Needs Linux, and wrk.
    """
    signal.signal(signal.SIGTERM, leave)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    plan = QUICK if quick else Plan()
    results = read_results(FILE) if resume and FILE.exists() else Results()
    save = partial(results.save, FILE)
    names = tuple(LOADS) if peers else ("digits",)
    is_written = peers and not quick
    try:
        require_wrk()
        models = find_models(ARTIFACTS, names)
        if "digits" not in models:
            raise ServerError(f"no digits in {ARTIFACTS}; train one: make train")
        _describe(results, plan, models, peers=peers)
        with tempfile.TemporaryDirectory(prefix="servery-bench-") as place:
            folder = Path(place)
            course = Course(plan, results, save, folder)
            same = link(models, folder / "same")
            server, targets = servery(same, models, environment=FLOAT32)
            others = list_opponents(course, models, peers=peers)
            if has_bfloat16():
                some = {
                    name: models[name] for name in BFLOAT16_MODELS if name in models
                }
                others.append(course.server(servery(same, some, name=BFLOAT16)))
            ours = server, [*targets, raw()]
            course.run(ours, others, partial(contenders, results))
            seven = link(SEVEN & find_versions(ARTIFACTS).keys(), folder / "seven")
            alone = link(["digits"], folder / "alone")
            if len(results.starts) < plan.rounds:
                measure_start(seven, folder)  # the first start compiles
            while len(results.starts) < plan.rounds:
                results.starts.append(measure_start(seven, folder))
                results.firsts.append(measure_first(alone, folder))
                save()
    except (LoadError, ServerError) as error:
        raise click.ClickException(str(error)) from error
    page = render(results, cores=cores(), plot=is_written)
    click.echo(page)
    if is_written:
        (DOCS / "benchmarks.md").write_text(page, encoding="utf-8")
        draw(results, DOCS / "benchmarks.png")


def list_opponents(course: Course, models: Models, *, peers: bool) -> list[Opponent]:
    """Who is measured beside Servery: without a server, plain FastAPI, the peers."""
    bare = [course.bare("digits", models["digits"], 1)]  # the engine's threads
    if "photo" in models:
        bare.append(course.bare("photo", models["photo"], cores()))
    subjects = [without_model(models["digits"])]
    subjects += [plain(models, workers=number) for number in sorted({1, cores()})]
    if peers:
        subjects += peer_subjects(models, cores=cores())
    return [*bare, *map(course.server, subjects)]


def note_missing(results: Results, there: Iterable[str]) -> None:
    """Note peers and models that are not there; forget those that are by now."""
    reasons = {peer.name: NOT_BUILT for peer in PEERS} | dict.fromkeys(LOADS, NOT_THERE)
    for name, reason in reasons.items():
        results.failed.pop(name, None)
        if name not in there:
            results.failed[name] = reason


def _describe(results: Results, plan: Plan, models: Models, *, peers: bool) -> None:
    """The head of the page."""
    results.facts = gather_facts(models["digits"]) | {
        "Precision": "Servery computes in float32, as the others do; "
        f"`{BFLOAT16}` is the default where the processor has it",
        "Plain FastAPI": f"1 worker with {cores()} TensorFlow threads, and {cores()} "
        "workers with one each; uvloop, httptools, no access log",
        "Load": "wrk, one thread; 16 digits, 5 photos, 16 texts in turn; JSON, "
        f"pictures in base64; loads of {plan.seconds} s; rounds where something is "
        f"promised: {plan.rounds}",
    }
    if peers:
        built = [peer for peer in PEERS if peer.python.exists()]
        results.facts["Peers"] = ", ".join(peer.version() for peer in built)
        note_missing(results, {*models, *(peer.name for peer in built)})


def link(names: Iterable[str], place: Path) -> Path:
    """Make at `place` a folder of artifacts with these models and no others."""
    place.mkdir()
    for name in names:
        (place / name).symlink_to(ARTIFACTS / name)
    return place


def measure_start(artifacts: Path, folder: Path) -> float:
    """Seconds until every model answers, over those of TensorFlow's import alone."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True)
    import_s = time.monotonic() - began
    began = time.monotonic()
    with running(servery(artifacts)[0], folder):
        return time.monotonic() - began - import_s


def measure_first(artifacts: Path, folder: Path) -> float:
    """Seconds until digits, alone, has answered rightly.

    Raises:
        ServerError: It answers wrongly.
    """
    server, (target, *_) = servery(artifacts)
    body = make_bodies(target)[0]
    expected = (WORK[target.model]().truth or [{}])[0]
    headers = {"content-type": target.media_type}
    with httpx.Client(trust_env=False, headers=headers) as client:
        began = time.monotonic()
        with running(server, folder) as started:
            answer = client.post(started.url(target.path), content=body).json()
            took = time.monotonic() - began
    received = answer["predictions"][0]
    if received["digit"] != expected.get("digit"):
        raise ServerError(f"digits: expected {expected}, received {received}")
    return took


def leave(number: int, frame: FrameType | None) -> None:
    """End as after an error, so that every server is ended too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
