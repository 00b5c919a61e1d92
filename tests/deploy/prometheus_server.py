"""A real Prometheus, with the committed configuration, on a free port."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.server import free_port, until

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"


def find(program: str, package: str = "prometheus") -> str:
    """The path of a program of Debian's package; without it, the test is skipped."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install {package})")
    return path


class Prometheus:
    """Scrapes `target` each second, and evaluates the committed rules as often.

    Args:
        folder: an empty one, for its configuration, data and log.
        target: host and port of the service.
    """

    def __init__(self, folder: Path, target: str):
        program = find("prometheus")
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(configuration(target)))
        self.log = folder / "log"
        address = f"127.0.0.1:{free_port()}"
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={address}",
                ],
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url=f"http://{address}", timeout=10)

    def __enter__(self) -> "Prometheus":
        until(self.is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(30)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expr: str) -> list[float]:
        """The values that a query has now, those that are no number left out."""
        response = self.client.get("/api/v1/query", params={"query": expr})
        answer = response.json()
        assert answer["status"] == "success", f"{expr}: {answer['error']}"
        values = [float(sample["value"][1]) for sample in answer["data"]["result"]]
        return [value for value in values if value == value]  # not NaN

    def get(self, path: str) -> Any:
        """What the API answers there."""
        return self.client.get(f"/api/v1/{path}").json()["data"]


def configuration(target: str) -> dict[str, Any]:
    """The committed one, but for the target, and faster."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(CONFIG.parent / each) for each in config["rule_files"]]
    (job,) = config["scrape_configs"]
    (targets,) = job["static_configs"]
    assert targets["targets"] == ["servery:8000"]
    targets["targets"] = [target]
    return config
