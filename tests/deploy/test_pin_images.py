"""Images of others are pinned by digest; what registries say is given here."""

import re
from pathlib import Path

import pytest

from deploy.container.pin_images import FILES, IMAGE, OURS, pin

ROOT = Path(__file__).parents[2]
OLD, NEW = (f"sha256:{digit * 64}" for digit in "ab")


def foreign(text: str) -> set[str]:
    tags = {found["tag"] for found in IMAGE.finditer(text)}
    return {tag for tag in tags if not tag.startswith(OURS)}


def without_digests(text: str) -> str:
    return re.sub(r"@sha256:\w+", "", text)


def test_every_image_of_others_is_found_and_nothing_else_changes() -> None:
    texts = {name: (ROOT / name).read_text() for name in FILES}
    tags = set().union(*map(foreign, texts.values()))
    assert {tag.partition(":")[0] for tag in tags} == {
        *("debian", "busybox", "grafana/grafana"),
        *("prom/prometheus", "prom/alertmanager", "jaegertracing/jaeger"),
    }
    for text in texts.values():
        pinned = pin(text, lambda tag: OLD)
        assert pinned.count(f"@{OLD}") == len(foreign(text))
        assert without_digests(pinned) == without_digests(text)


@pytest.mark.parametrize(
    ("line", "pinned"),
    [
        (
            "FROM debian:bookworm-slim AS system",
            f"debian:bookworm-slim@{NEW} AS system",
        ),
        (f"FROM debian:bookworm-slim@{OLD} AS system", f"slim@{NEW} AS system"),
        ("    image: prom/prometheus:v3.13.2", f"prom/prometheus:v3.13.2@{NEW}"),
    ],
)
def test_a_digest_is_put_behind_a_tag_or_replaced(line: str, pinned: str) -> None:
    assert pin(line, lambda tag: NEW).endswith(pinned)


@pytest.mark.parametrize("line", ["FROM system AS source", "    image: servery:0.1.0"])
def test_what_is_built_here_is_left_alone(line: str) -> None:
    assert pin(line, lambda tag: NEW) == line
