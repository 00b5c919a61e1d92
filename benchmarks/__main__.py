"""`make bench`, `make bench-peers`: measure this machine, write down what it gave."""

import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import click

from benchmarks.agenda import (
    describe_peers,
    find_models,
    list_subjects,
    note_missing,
    only,
    plan_others,
)
from benchmarks.bodies import write_bodies
from benchmarks.course import Course
from benchmarks.facts import ROOT, gather_facts
from benchmarks.load import LoadError, require_wrk
from benchmarks.measure import FULL, QUICK, Bench, Plan
from benchmarks.plot import draw, gather, has_matplotlib
from benchmarks.report import render
from benchmarks.results import Results, read_results
from benchmarks.servers import ServerError
from benchmarks.startup import link_models, link_small_models, measure_start
from benchmarks.subjects import cores, servery
from service.settings import Settings

FILE = "servery-benchmarks.json"
Folder = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Shorter rounds and fewer, to try it out.")
@click.option(
    "--peers",
    is_flag=True,
    help="All other servers and models, not plain FastAPI and digits alone.",
)
@click.option("--only", "name", help="Beside Servery only who has NAME in their own.")
@click.option(
    "--artifacts",
    type=Folder,
    default=ROOT / "artifacts",
    help="Folder that holds digits/<version>/ and the others.  [default: artifacts]",
)
@click.option(
    "--output",
    type=Folder,
    help="Folder for benchmarks.md and benchmarks.png; without it, only printed.",
)
@click.option(
    "--results",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(tempfile.gettempdir()) / FILE,
    help=f"Where figures are kept as they come.  [default: {FILE} in the temporary "
    "folder]",
)
@click.option("--resume", is_flag=True, help="Add to those figures what is missing.")
def main(
    *,
    quick: bool,
    peers: bool,
    name: str | None,
    artifacts: Path,
    output: Path | None,
    file: Path,
    resume: bool,
) -> None:
    """Measure Servery and other servers of the same models, one after the other.

    Starts each on a free port of 127.0.0.1, checks that it answers rightly, and loads
    it with up to 128 connections. Plain FastAPI alone takes five minutes, all peers
    25; the machine should have nothing else to do. Needs Linux, and wrk.
    """
    signal.signal(signal.SIGTERM, _leave)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    results = read_results(file) if resume and file.exists() else Results()
    try:
        require_wrk()
        with tempfile.TemporaryDirectory(prefix="servery-bench-") as folder:
            run = Run(QUICK if quick else FULL, artifacts.resolve(), results, file)
            run.measure(Path(folder), name, peers=peers)
    except (LoadError, ServerError) as error:
        raise click.ClickException(str(error)) from error
    _write(results, output)


class Run:
    """One run of the command.

    Args:
        plan: How long.
        artifacts: What is served.
        results: To add to.
        file: Where they are kept as they come.
    """

    def __init__(self, plan: Plan, artifacts: Path, results: Results, file: Path):
        self._plan, self._artifacts = plan, artifacts
        self._results, self._file = results, file

    def measure(self, folder: Path, name: str | None, *, peers: bool) -> None:
        """Measure what is not yet there, and of that only who has `name` in theirs.

        Raises:
            LoadError, ServerError: Servery itself cannot be measured.
        """
        plan, results = self._plan, self._results
        models = find_models(self._artifacts)
        if "digits" not in models:
            raise ServerError(f"no digits in {self._artifacts}; train one: make train")
        settings = Settings(artifacts=self._artifacts)
        results.facts = gather_facts(plan, settings, models["digits"])
        if peers:
            results.facts["Peers"] = describe_peers()
        else:
            models = {"digits": models["digits"]}
        same = link_models(self._artifacts, models, folder / "same")
        ours = servery(same, models)
        subjects = list_subjects(models, peers=peers)
        if peers:
            note_missing(results.failed, models, subjects)
        targets = [target for _, each in (ours, *subjects) for target in each]
        bench = Bench(plan, write_bodies(targets, folder), results.failed)
        course = Course(bench, results, self._save, folder)
        course.run(ours, only(plan_others(course, models, subjects, plan), name))
        self._measure_starts(folder)

    def _measure_starts(self, folder: Path) -> None:
        small = link_small_models(self._artifacts, folder / "small")
        while len(self._results.starts) < self._plan.starts:
            self._results.starts.append(measure_start(small, folder))
        self._save()

    def _save(self) -> None:
        self._results.save(self._file)


def _write(results: Results, output: Path | None) -> None:
    plot = output is not None and has_matplotlib()
    page = render(results, cores=cores(), plot=plot)
    click.echo(page)
    if output is None:
        return
    (output / "benchmarks.md").write_text(page, encoding="utf-8")
    if plot:
        draw(gather(results), output / "benchmarks.png")
    click.echo(f"written to {output / 'benchmarks.md'}", err=True)


def _leave(number: int, frame: FrameType | None) -> None:
    """End as after an error, so that every server is ended too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
