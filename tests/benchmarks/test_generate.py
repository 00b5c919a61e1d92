"""The benchmark of clothing: what it sends, what it writes."""

from pathlib import Path

import click
import pytest

from benchmarks.generate import (
    COUNTS,
    GENERATORS,
    find_generators,
    make_bodies,
    render,
)
from benchmarks.load import Load
from service.models.clothing.generate import GenerateRequest


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_body_is_a_wish_that_the_endpoint_grants(
    generator: str, count: int
) -> None:
    wishes = [
        GenerateRequest.model_validate_json(body)
        for body in make_bodies(generator, count)
    ]

    assert {(wish.generator, wish.count) for wish in wishes} == {(generator, count)}
    assert len({wish.seed for wish in wishes}) == len(wishes)


def test_the_page_counts_images_that_were_drawn_and_not_requests() -> None:
    load = Load(100, 2.0, 10.0, 20.0, {"status": 3, "timeout": 1}, 0.1)
    page = render({("vae, 16", "", 32): [load, load]}, "", 0.05)

    row = "| vae, 16 | 32 | 776 (776–776) | 10.0 | 20.0 | 6 status, 2 timeout |"
    assert row in page
    assert "which\nother programs took 5% meanwhile" in page


def test_without_a_generator_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="training clothing_vae"):
        find_generators(tmp_path)
