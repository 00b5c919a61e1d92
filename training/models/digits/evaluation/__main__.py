"""Measures how well a running service reads photos of handwriting, by kind."""

import json
from dataclasses import asdict
from pathlib import Path

import click
import httpx

from training.datasets import mnist
from training.models.digits.evaluation.files import HeldOut
from training.models.digits.evaluation.kinds import GROUPS, KINDS
from training.models.digits.evaluation.measurement import Row, measure
from training.models.digits.evaluation.outcomes import Outcome
from training.models.digits.evaluation.page import write_page

HEAD = (
    f"{'kind':20} {'rows':>5} {'right %':>8} {'95 % interval':>14} {'digits %':>9} "
    f"{'warned %':>9} {'errors %':>9} {'found %':>8} {'if found':>9} {'ms':>7}"
)
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def _chosen(ctx: click.Context, param: click.Parameter, text: str | None) -> list[str]:
    """Names of kinds and of groups, with commas between them."""
    names: list[str] = []
    for name in (text or ",".join(GROUPS)).split(","):
        if name not in GROUPS and name not in KINDS:
            raise click.BadParameter(
                f"expected kinds or groups of {', '.join([*GROUPS, *KINDS])}, "
                f"received {name!r}"
            )
        names += GROUPS.get(name, [name])
    return names


@click.command(name="evaluation")
@click.option("--url", default="http://127.0.0.1:8000", help="Of the service.")
@click.option("--each", default=200, type=click.IntRange(1), help="Pictures of a kind.")
@click.option("--seed", default=7, help="The same seed makes the same pictures.")
@click.option("--kinds", callback=_chosen, help="Kinds or groups, by commas; else all.")
@click.option("--boxes", is_flag=True, help="Ask where the ink was found, too.")
@click.option("--save-mistakes", type=FOLDER, help="Where pictures read wrong go.")
@click.option("--json", "json_file", type=FILE, help="Where the table goes, as JSON.")
@click.option("--page", type=FILE, help="A page in Markdown whose tables are renewed.")
def cli(
    url: str,
    each: int,
    seed: int,
    kinds: list[str],
    boxes: bool,  # noqa: FBT001  # click's way
    save_mistakes: Path | None,
    json_file: Path | None,
    page: Path | None,
) -> None:
    """Send pictures of every kind to a service, and print what it read right."""
    images = mnist.load()
    held_out = HeldOut(images.test_images, images.test_labels)

    def tell(kind: str, index: int, outcome: Outcome) -> None:
        if save_mistakes and not outcome.right:
            _save(save_mistakes, f"{kind}-{index}", outcome)

    rows = []
    click.echo(HEAD)
    with httpx.Client(base_url=url, timeout=60) as client:
        for row in measure(
            client, kinds, held_out, each=each, seed=seed, boxes=boxes, tell=tell
        ):
            click.echo(line(row))
            rows.append(row)
    if json_file:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if page:
        write_page(page, rows)


def line(row: Row) -> str:
    """One line of the table."""
    interval = f"{row.low * 100:.1f}–{row.high * 100:.1f}"
    return (
        f"{row.kind:20} {row.rows:5} {row.right * 100:8.1f} {interval:>14} "
        f"{row.digits_right * 100:9.1f} {row.warned * 100:9.1f} "
        f"{row.errors * 100:9.1f} {_share(row.found):>8} "
        f"{_share(row.right_if_found):>9} {row.ms:7.1f}"
    )


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f}"


def _save(folder: Path, name: str, outcome: Outcome) -> None:
    """Write a picture, with what it shows and what was read in its name."""
    folder.mkdir(parents=True, exist_ok=True)
    shown, suffix = outcome.picture.answer or "none", outcome.picture.media_type[6:]
    read = outcome.read or outcome.refused
    (folder / f"{name}-{shown}-read-{read}.{suffix}").write_bytes(outcome.picture.data)


if __name__ == "__main__":
    cli(prog_name="python -m training.models.digits.evaluation")
