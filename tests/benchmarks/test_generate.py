"""The benchmark of clothing: what it sends, what it writes."""

import pytest

from benchmarks.generate import COUNTS, GENERATORS, ask, images
from benchmarks.load import Load
from service.models.clothing.generate import GenerateRequest


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("generator", GENERATORS.values())
def test_every_body_is_a_wish_that_the_endpoint_grants(
    generator: str, count: int
) -> None:
    wishes = [
        GenerateRequest.model_validate_json(body)
        for body in ask(generator, count).bodies
    ]

    assert {(wish.generator, wish.count) for wish in wishes} == {(generator, count)}
    assert len({wish.seed for wish in wishes}) == len(wishes)


def test_the_table_counts_images_that_were_drawn_and_not_requests() -> None:
    load = Load(100, 2.0, 10.0, 20.0, {"status": 3, "timeout": 1}, 0.1)

    row = "| vae, 16 | 32 | 776 (776–776) | 10.0 | 20.0 | 6 status, 2 timeout |"
    assert row in images({("vae, 16", "", 32): [load, load]})
