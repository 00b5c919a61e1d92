"""The benchmark of clothing: what it sends, what it runs, what it writes."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.generate import (
    COUNTS,
    main,
    measure_bare,
    render,
    run_in_batches,
    write_bodies,
)
from benchmarks.load import Load
from service.contract.manifest import Manifest, read_manifest
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from service.models.clothing.generate import GenerateRequest
from service.models.clothing.latents import draw_latents
from service.models.clothing.vocabulary import weigh
from tests.generators import DIMS, read_latents, write_generators
from tests.models.predicting import CpuLoader


@pytest.fixture(scope="module")
def generator(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TensorFlowModel, Manifest]:
    folder = tmp_path_factory.mktemp("artifacts")
    write_generators(folder)
    version = folder / "clothing_gan" / "1"
    manifest = read_manifest(version)
    return CpuLoader().load(version, manifest), manifest


def test_every_body_is_a_wish_that_the_endpoint_grants(tmp_path: Path) -> None:
    bodies = write_bodies(["vae", "gan"], tmp_path)

    assert set(bodies) == {(g, count) for g in ("vae", "gan") for count in COUNTS}
    for (name, count), folder in bodies.items():
        wishes = [
            GenerateRequest.model_validate_json(body.read_bytes())
            for body in folder.iterdir()
        ]
        assert {(wish.generator, wish.count) for wish in wishes} == {(name, count)}
        assert len({wish.seed for wish in wishes}) == len(wishes)


@pytest.mark.parametrize("count", [1, 8, 13])
def test_batches_give_every_row_in_order(
    generator: tuple[TensorFlowModel, Manifest], count: int
) -> None:
    model, manifest = generator
    latents = draw_latents(0, count, DIMS, 1.0)
    images = run_in_batches(
        model, manifest.batch_sizes, (latents, weigh(["bag"] * count))
    )

    assert np.array_equal(read_latents(images), latents)


def test_both_ways_without_a_server_are_measured(
    generator: tuple[TensorFlowModel, Manifest],
) -> None:
    assert min(measure_bare(*generator, count=16, seconds=0)) > 0


def test_the_page_counts_images_that_were_drawn_and_not_requests() -> None:
    load = Load(100, 2.0, 10.0, 15.0, 20.0, {"status": 3, "timeout": 1}, 0.1)
    page = render(
        {("vae", 16, 32): [load, load]}, {("vae", 16): (4000.0, 2500.0)}, 0.05
    )

    assert "| vae, 16 | 32 | 776 (776–776) | 10.0 | 20.0 | 6 |" in page
    assert "| vae, 16 | 4,000 | 2,500 |" in page
    assert "other\nprograms took 5% meanwhile" in page


def test_without_a_generator_it_says_how_to_get_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--artifacts", str(tmp_path)])

    assert result.exit_code == 1
    assert "python -m training clothing_vae" in result.output
