"""Pin the images that others build by digest: `make digests`, where Docker is.

A tag is moved when its image is mended, a digest never is. Both are written, as
`debian:bookworm-slim@sha256:…`: the tag says what it is, the digest is what is fetched.
Run again to take up what the tags mean by then.
"""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile", "deploy/container/artifacts.Dockerfile", "docker-compose.yml")
OURS = "servery:"  # built here
IMAGE = re.compile(
    r"^(?P<before>FROM |\s*image: )(?P<tag>[\w./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?\b",
    re.MULTILINE,
)


def pin(text: str, find_digest: Callable[[str], str]) -> str:
    """The text of a Dockerfile or a compose file, with a digest behind every tag.

    Args:
        text: Of the file.
        find_digest: `sha256:…`, by image and tag.
    """

    def with_digest(found: re.Match[str]) -> str:
        tag = found["tag"]
        if tag.startswith(OURS):
            return found[0]
        return f"{found['before']}{tag}@{find_digest(tag)}"

    return IMAGE.sub(with_digest, text)


def ask_registry(tag: str) -> str:
    """The digest of the list of an image's platforms, as its registry has it now."""
    command = ("docker", "buildx", "imagetools", "inspect", tag)
    asked = subprocess.run(
        (*command, "--format", "{{json .Manifest}}"),
        check=True,
        stdout=subprocess.PIPE,
    )
    digest: str = json.loads(asked.stdout)["digest"]
    return digest


def main() -> None:
    """Rewrite the files, all of them or none."""
    pinned = {
        ROOT / name: pin((ROOT / name).read_text("utf-8"), ask_registry)
        for name in FILES
    }
    for path, text in pinned.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
