"""Which peers are measured: how each is started, and what it is asked.

Every one has an environment of its own in `.venv-peers/`, which `make peers` builds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.peers.envelopes import unwrap_list, unwrap_v2, wrap_list, wrap_v2
from benchmarks.subjects import (
    ROOT,
    Server,
    Subject,
    Target,
    count_workers,
    tell_setting,
)

ENVIRONMENTS = ROOT / ".venv-peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """One framework."""

    name: str  # in every table
    folder: str  # in `benchmarks/peers/` and in `.venv-peers/`
    # A path that answers 200 when it serves; `{model}` stands for the last model,
    # as they are loaded in turn
    health: str
    # where predictions are; `{model}` stands for the name of the model
    path: str = "/{model}"
    wrap: Callable[[bytes], bytes] = bytes  # of a `Target`
    unwrap: Callable[[bytes], bytes] = bytes  # of a `Target`
    arguments: tuple[str, ...] = ()  # of its command, beside the port
    # beside what every peer gets
    environment: Mapping[str, str] = field(default_factory=dict)
    # whether each model gets a server of its own, because the workers of one that
    # is not asked would take time from the one that is
    apart: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its environment; not there before `make peers`."""
        return ENVIRONMENTS / self.folder / "bin" / "python"

    def version(self) -> str:
        """What is installed of it."""
        folders = (ENVIRONMENTS / self.folder).glob("lib/*/site-packages")
        names = self.folder, f"nvidia-{self.folder}"
        return ", ".join(
            f"{package.name} {package.version}"
            for package in distributions(path=[str(folder) for folder in folders])
            if package.name.lower() in names
        )

    def servers(
        self, models: Mapping[str, Path], *, workers: int, cores: int
    ) -> list[Subject]:
        """One configuration: so many workers, among which the cores are shared."""
        groups = [{name: models[name]} for name in models] if self.apart else [models]
        return [self._server(each, workers, cores) for each in groups]

    def _server(self, models: Mapping[str, Path], workers: int, cores: int) -> Subject:
        label = f"{self.name}, {count_workers(workers)}"
        server = Server(
            name=label if "digits" in models else f"{label}, {' and '.join(models)}",
            command=(
                *(str(self.python), "-m", f"benchmarks.peers.{self.folder}.server"),
                *("--port", "{port}", *self.arguments),
            ),
            health=self.health.format(model=list(models)[-1]),
            environment={
                "PYTHONPATH": str(ROOT),
                **tell_setting(models, workers, cores),
                **self.environment,
            },
        )
        return server, [
            Target(
                name=label if model == "digits" else f"{label}, {model}",
                path=self.path.format(model=model),
                model=model,
                wrap=self.wrap,
                unwrap=self.unwrap,
            )
            for model in models
        ]


MOSEC = ("--address", "127.0.0.1", "--wait", "0", "--timeout", "30000")
BENTOML = {"BENTOML_DO_NOT_TRACK": "True"}
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
V2 = ("/v2/models/{model}/ready", "/v2/models/{model}/infer")
MLSERVER = partial(wrap_v2, shape=(1,), kinds={"image": "base64", "text": "str"})
TRITON = partial(wrap_v2, shape=(1, 1))

PEERS = (
    Peer("mosec", "mosec", "/", arguments=MOSEC),
    Peer("LitServe", "litserve", "/health", apart=True),
    Peer(
        "BentoML",
        "bentoml",
        "/readyz",
        "/{model}",
        wrap_list,
        unwrap_list,
        environment=BENTOML,
    ),
    Peer("MLServer", "mlserver", *V2, MLSERVER, unwrap_v2),
    Peer("Ray Serve", "ray", "/{model}", environment=RAY, apart=True),
    Peer("Triton", "pytriton", *V2, TRITON, unwrap_v2),
)


def peers(models: Mapping[str, Path], *, cores: int) -> list[Subject]:
    """Every configuration of every peer whose environment has been built."""
    return [
        subject
        for peer in PEERS
        if peer.python.exists()
        for workers in sorted({1, max(1, cores)})
        for subject in peer.servers(models, workers=workers, cores=cores)
    ]
