"""`servery batch`: files in, a prediction for each row out, without a service."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # pyarrow and the engine take a while, other commands need not wait
    from service.batch.plan import Plan
    from service.settings import Settings

INTERRUPTED = 130  # as shells have it for SIGINT
IN_ERROR = 3  # complete, and some rows have an error in place of a prediction


@click.command()
@click.argument("model")
@click.argument("input", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
    help="This machine's, or a pool of them on a Ray cluster.",
)  # fmt: skip
@click.option("--version", type=click.IntRange(1), help="[default: the newest]")
@click.option("--artifacts", type=click.Path(path_type=Path), help="Folder of models.")
@click.option(
    "--column", help="Of the text, or of the file's bytes.  [default: found by name]"
)
@click.option("--top-k", type=click.IntRange(1, 1000), help="How many classes of each.")
@click.option(
    "--rows", type=click.IntRange(1, 1_000_000),
    help="Rows in a part of the output.  [default: 8192]",
)  # fmt: skip
@click.option(
    "--max-errors", type=click.IntRange(0),
    help="Stop when more rows than that are in error.  [default: never]",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 10_000),
    help="Engines in the pool.  [default: one for every two CPUs of the cluster]",
)  # fmt: skip
def batch(
    engine: str,
    artifacts: Path | None,
    max_errors: int | None,
    workers: int | None,
    **wish: Any,
) -> None:
    """Score every row of INPUT by MODEL, and write what comes out into OUTPUT.

    \b
    servery batch churn customers.parquet scores/  # a file, or a folder of them
    servery batch churn customers.csv scores.csv   # one CSV in place of a folder
    servery batch digits pictures/ scores/         # a folder of pictures
    servery batch --engine ray churn rows/ scores/  # by all machines of a cluster

    What is wrong with a row stands in the column `error`, and the others are scored.
    Interrupted, however that was, the same command goes on where it was. The exit code
    is 0; 3 if rows are in error; 1 if it stopped before its end.
    """  # noqa: D301
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise click.ClickException(
            f"{error}. Scoring of files is an extra: pip install 'servery[batch]'"
        ) from error
    from service.batch.errors import BatchError
    from service.batch.plan import Wish

    wanted = Wish(**wish)
    try:
        raise SystemExit(_run(wanted, engine, artifacts, max_errors, workers))
    except BatchError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:  # no room for a model, no descriptors
        raise click.ClickException(f"{error}. What is done stays.") from error
    except KeyboardInterrupt:
        click.echo("\nInterrupted; the same command goes on from here.", err=True)
        raise SystemExit(INTERRUPTED) from None


def _run(
    wish: Any,
    engine: str,
    artifacts: Path | None,
    max_errors: int | None,
    workers: int | None,
) -> int:
    from service.batch.errors import BatchError
    from service.batch.journal import locked, write_journal
    from service.batch.plan import make_plan
    from service.batch.progress import Progress

    settings = _settings(artifacts)
    plan = make_plan(wish, settings)
    output, parts, journal = plan.output, plan.source.parts, plan.journal
    output.prepare()
    with locked(output.folder):
        output.clear_drafts()
        try:
            write_journal(output.folder, journal)
        except OSError as error:
            raise output.unwritable(error) from error
        found = {part.number: output.count_errors(part) for part in parts}
        left = [part for part in parts if found[part.number] is None]
        errors = sum(filter(None, found.values()))
        done = journal.rows - sum(part.rows for part in left)
        progress = Progress(journal.rows, done, errors, sys.stderr)
        click.echo(_greet(plan, done), err=True)

        def add(rows: int, wrong: int) -> None:
            progress.add(rows, wrong)
            if max_errors is not None and progress.errors > max_errors:
                raise BatchError(
                    f"{progress.errors:,} of {progress.done:,} rows are in error: "
                    f"expected at most {max_errors:,}."
                )

        try:
            if left:
                _choose(engine, workers)(plan, left, settings, add)
        finally:
            progress.close()
        output.finish(parts, plan.schema)
        summary = {"rows": journal.rows, "errors": progress.errors}
        write_journal(output.folder, journal, complete=summary)
    output.remove_parts()
    click.echo(f"{progress.describe()}: {output.csv or output.folder}", err=True)
    return IN_ERROR if progress.errors else 0


def _choose(engine: str, workers: int | None) -> Callable[..., None]:
    from service.batch.local import run_local

    if engine == "local":
        return run_local
    from functools import partial

    try:
        from service.batch.ray_pool import run_ray
    except ImportError as error:
        raise click.ClickException(
            f"{error}. A pool of engines is an extra: pip install 'servery[ray]'"
        ) from error
    return partial(run_ray, workers=workers)


def _greet(plan: "Plan", done: int) -> str:
    asked, journal = plan.asked, plan.journal
    what = f"{asked.model} {asked.version}: {journal.rows:,} rows"
    words = [f"{what} in {journal.parts:,} parts"]
    if plan.begun:
        words.append(f"going on, {done:,} rows are done")
    return "; ".join(words)


def _settings(artifacts: Path | None) -> "Settings":
    from service.cli import _settings as read_settings

    return read_settings({"artifacts": artifacts} if artifacts else {})
