"""`make bench`: measure this machine, and write down what it gave."""

import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from benchmarks.bare import bare_model
from benchmarks.facts import ROOT, gather_facts
from benchmarks.load import LoadError, require_wrk
from benchmarks.measure import FULL, QUICK, Bench, Plan
from benchmarks.pictures import check_answers, load_pictures, write_bodies
from benchmarks.plot import draw, has_matplotlib
from benchmarks.report import plain_names, render
from benchmarks.results import Results
from benchmarks.servers import ServerError, running
from benchmarks.subjects import Server, Target, cores, plain, servery
from benchmarks.summary import summarise_all
from service.engine.store import find_versions
from service.settings import Settings

MODEL = "digits"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--quick",
    is_flag=True,
    help="Under two minutes, to try it out: printed only, nothing is written.",
)
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=ROOT / "artifacts",
    help="Folder that holds digits/<version>/.  [default: artifacts]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=ROOT / "docs",
    help="Folder for benchmarks.md and benchmarks.png.  [default: docs]",
)
def main(*, quick: bool, artifacts: Path, output: Path) -> None:
    """Measure Servery, plain FastAPI and the bare model, side by side on this machine.

    Starts the servers on free ports of 127.0.0.1, checks that they read digits right,
    loads each with 1, 8, 32 and 128 connections in rounds that take turns, and writes
    docs/benchmarks.md with a plot. About five minutes; the machine should have nothing
    else to do. Needs Linux, and wrk.
    """
    plan = QUICK if quick else FULL
    try:
        require_wrk()
        facts, targets, results = _measure(plan, artifacts.resolve())
    except (LoadError, ServerError) as error:
        raise click.ClickException(str(error)) from error
    plot = not quick and has_matplotlib()
    page = render(facts, targets, results, plot=plot)
    click.echo(page)
    if quick:
        return
    (output / "benchmarks.md").write_text(page, encoding="utf-8")
    if plot:
        names = plain_names(targets)
        draw(summarise_all(results), names, output / "benchmarks.png")
    click.echo(f"written to {output / 'benchmarks.md'}", err=True)


def _measure(
    plan: Plan, artifacts: Path
) -> tuple[dict[str, str], list[Target], Results]:
    settings = Settings(artifacts=artifacts)
    folder = _newest(artifacts)
    facts = gather_facts(plan, settings, folder)
    servers, targets = _subjects(artifacts, folder)
    pictures = load_pictures()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        temporary = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="servery-bench-"))
        )
        bodies = write_bodies(pictures, temporary)
        threads = settings.number_of_tensorflow_threads()
        bare = stack.enter_context(bare_model(folder, threads))
        click.echo("starting the servers …", err=True)
        started = stack.enter_context(running(servers, temporary))
        for target in targets:
            check_answers(target, started[target.server], pictures)
        results = Bench(plan, started, targets, bodies, bare).run()
    return facts, targets, results


def _newest(artifacts: Path) -> Path:
    """The version that Servery answers with where none is named."""
    versions = find_versions(artifacts).get(MODEL)
    if not versions:
        raise click.ClickException(f"no {MODEL} in {artifacts}; train one: make train")
    return artifacts / MODEL / str(max(versions))


def _subjects(artifacts: Path, folder: Path) -> tuple[list[Server], list[Target]]:
    pairs = [servery(artifacts), plain(folder, workers=1)]
    if cores() > 1:
        pairs.append(plain(folder, workers=cores()))
    servers = [server for server, _ in pairs]
    return servers, [target for _, targets in pairs for target in targets]


def _leave(number: int, frame: FrameType | None) -> None:
    """End as after an error, so that every server is ended too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
