"""A version of the digits with 1,000 labelled samples, by which bfloat16 is proven.

    python -m training.models.digits.again --version 2

writes version 2's weights as the next version. Its samples are every tenth of MNIST's
test images, which neither training nor selection saw: 28×28, as `serving_default` takes
them, and with a label that a person gave. What the finder cuts out of scenes would be
nearer to a photo, but for its labels one would have to trust the finder.
"""

from pathlib import Path

import click

from training.core.export import DEFAULT_SIGNATURE, HeldOut
from training.core.export_again import export_again
from training.core.options import artifacts_dir_option, data_dir_option
from training.datasets import mnist


def write_again(version: int, data_dir: Path, artifacts_dir: Path) -> Path:
    """Write a version's weights as the next one, with more samples; its folder."""
    data = mnist.load(data_dir)
    held_out = HeldOut({"images": data.test_images}, data.test_labels)
    folder = artifacts_dir / "digits" / str(version)
    return export_again(folder, artifacts_dir, {DEFAULT_SIGNATURE: held_out})


@click.command(name="again")
@click.option("--version", type=click.IntRange(1), required=True, help="Whose weights.")
@artifacts_dir_option
@data_dir_option
def cli(version: int, artifacts_dir: Path, data_dir: Path) -> None:
    """Write a version of the digits again, with 1,000 labelled samples."""
    click.echo(f"Wrote {write_again(version, data_dir, artifacts_dir)}")


if __name__ == "__main__":
    cli(prog_name="python -m training.models.digits.again")
