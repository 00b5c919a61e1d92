#!/usr/bin/env python3
"""Build the image where no container engine runs, for `run_without_engine.py` to prove.

    debootstrap ──▶ a stand-in for debian:bookworm-slim ──▶ buildah executes the
    Dockerfile as it stands, in a chroot ──▶ sizes by layer

Needs root, debootstrap and buildah; what it downloads and builds stays below --root.
"""
# ruff: noqa: S607, T201 - a script for a terminal, with tools from the PATH

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_ROOT = Path(tempfile.gettempdir()) / "servery-image"
BASE = "debian:bookworm-slim"
LEFT_OUT = ("doc", "info", "locale", "man")  # of /usr/share; the slim image has none
NO_CACHE = 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n'  # as the slim image


class Builder:
    """buildah with a storage of its own.

    Args:
        root: Folder for everything that is built.
    """

    def __init__(self, root: Path):
        self.root = root
        self.storage = root / "storage"

    def call(self, *arguments: str) -> str:
        """What `buildah …` prints.

        Raises:
            subprocess.CalledProcessError: It failed; its words are on stderr.
        """
        places = ("--root", str(self.storage), "--runroot", str(self.root / "run"))
        command = ["buildah", *places, *arguments]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def import_base(self, tree: Path) -> None:
        """Make the file tree the image that the Dockerfile starts from."""
        archive = self.root / "base.tar"
        subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
        container = self.call("from", "scratch")
        self.call("add", "--quiet", container, str(archive), "/")
        self.call("commit", "--quiet", "--rm", container, BASE)
        archive.unlink()

    def build(self, context: Path, device: str) -> str:
        """Execute the Dockerfile; the image's name."""
        name = f"localhost/servery:{device}"
        self.call(
            *("build", "--isolation", "chroot", "--pull=never", "--layers"),
            *("--format", "docker", "--build-arg", f"DEVICE={device}"),
            *("--tag", name, "--logfile", str(self.root / f"build-{device}.log")),
            str(context),
        )
        return name

    def config(self, image: str) -> dict[str, Any]:
        """What the image says of itself: Env, Entrypoint, User, Healthcheck."""
        found = json.loads(self.call("inspect", "--type", "image", image))
        config: dict[str, Any] = found["Docker"]["config"]
        return config

    def layers(self, image: str) -> list[tuple[str, int]]:
        """The image's layers from the first: what made it, its bytes."""
        found = json.loads(self.call("inspect", "--type", "image", image))
        steps = [
            re.sub(r"^.*#\(nop\)|(dir|file):\w+ in ", "", each["created_by"])
            for each in found["OCIv1"]["history"]
            if not each.get("empty_layer")
        ]
        known = json.loads((self.storage / "overlay-layers/layers.json").read_text())
        sizes = {each["diff-digest"]: each.get("diff-size", 0) for each in known}
        digests = found["OCIv1"]["rootfs"]["diff_ids"]
        return list(zip(steps, [sizes[each] for each in digests], strict=True))


def make_base(tree: Path) -> None:
    """Bootstrap Debian bookworm into `tree`, about as slim as the official image.

    This machine's way to the package registry comes along (pip's settings, the
    certificates it trusts); apt's is what debootstrap wrote.
    """
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", tree],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for folder in [tree / "usr/share" / each for each in LEFT_OUT]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for rest in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(tree / rest)
        (tree / rest / "partial").mkdir(parents=True)
    (tree / "etc/apt/apt.conf.d/no-cache").write_text(NO_CACHE)
    settings = pip_settings()
    if "cert" in settings:
        shutil.copy(settings["cert"], tree / "etc/pip-certificates.pem")
        settings["cert"] = "/etc/pip-certificates.pem"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (tree / "etc/pip.conf").write_text("\n".join(["[global]", *lines, ""]))


def pip_settings() -> dict[str, str]:
    """How pip reaches its registry from here, wherever that is configured."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in {"cert", "index-url", "proxy", "trusted-host"}:
            found[key] = value.strip("'")
    return found


def main() -> None:
    """Build, and print how long it took and how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT)
    parser.add_argument("--context", type=Path, default=REPOSITORY)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    options = parser.parse_args()
    builder = Builder(options.root)
    tree = options.root / "base"
    if not tree.exists():
        began = time.monotonic()
        options.root.mkdir(parents=True, exist_ok=True)
        make_base(tree)
        builder.import_base(tree)
        print(f"base      {time.monotonic() - began:6.0f} s")
    began = time.monotonic()
    image = builder.build(options.context, options.device)
    print(f"build     {time.monotonic() - began:6.0f} s")
    layers = builder.layers(image)
    for step, size in layers:
        print(f"{size / 1e6:8.1f} MB  {step[:70]}")
    print(f"{sum(size for _, size in layers) / 1e6:8.1f} MB  {image}")


if __name__ == "__main__":
    main()
