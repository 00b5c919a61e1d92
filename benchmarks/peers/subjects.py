"""Which peers are measured: how each is started, and what it is asked.

Every one has an environment of its own in `.venv-peers/`, which `make peers` builds.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.peers import lists, v2
from benchmarks.subjects import Server, Target

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """One framework.

    Attributes:
        name: In every table.
        folder: In `benchmarks/peers/` and in `.venv-peers/`.
        health: A path that answers 200 when it serves; `{model}` stands for the last
            model, as they are loaded in turn.
        path: Where predictions are; `{model}` stands for the name of the model.
        wrap: Of a `Target`, by model.
        unwrap: Of a `Target`.
        arguments: Of its command, beside the port.
        environment: Beside what every peer gets.
        apart: Whether each model gets a server of its own, because the workers of one
            that is not asked would take time from the one that is.
    """

    name: str
    folder: str
    health: str
    path: str = "/{model}"
    wrap: Callable[[str], Callable[[bytes], bytes]] = lambda _: bytes
    unwrap: Callable[[bytes], bytes] = bytes
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its environment; not there before `make peers`."""
        return ENVIRONMENTS / self.folder / "bin" / "python"

    def servers(
        self, models: Mapping[str, Path], *, workers: int, cores: int
    ) -> list[tuple[Server, list[Target]]]:
        """One configuration: so many workers, among which the cores are shared."""
        groups = [{name: models[name]} for name in models] if self.apart else [models]
        return [self._server(each, workers, cores) for each in groups]

    def _server(
        self, models: Mapping[str, Path], workers: int, cores: int
    ) -> tuple[Server, list[Target]]:
        label = f"{self.name}, {workers} worker{'s' if workers > 1 else ''}"
        name = label if "digits" in models else f"{label}, {' and '.join(models)}"
        folders = {model: str(folder.resolve()) for model, folder in models.items()}
        server = Server(
            name=name,
            command=(
                *(str(self.python), "-m", f"benchmarks.peers.{self.folder}.server"),
                *("--port", "{port}", *self.arguments),
            ),
            health=self.health.format(model=list(models)[-1]),
            environment={
                "PYTHONPATH": str(ROOT),
                "PEER_MODELS": json.dumps(folders),
                "PEER_WORKERS": str(workers),
                "PEER_THREADS": str(max(1, cores // workers)),
                "TF_CPP_MIN_LOG_LEVEL": "2",
                **self.environment,
            },
        )
        return server, [self._target(server, label, model) for model in models]

    def _target(self, server: Server, label: str, model: str) -> Target:
        return Target(
            name=label if model == "digits" else f"{label}, {model}",
            server=server.name,
            path=self.path.format(model=model),
            model=model,
            wrap=self.wrap(model),
            unwrap=self.unwrap,
        )


def _wrap_for_mlserver(model: str) -> Callable[[bytes], bytes]:
    kind = "str" if model == "sentiment" else "base64"
    return partial(v2.wrap, shape=(1,), content_type=kind)


def _wrap_for_triton(model: str) -> Callable[[bytes], bytes]:
    return partial(v2.wrap, shape=(1, 1), content_type=None)


PEERS = (
    Peer(
        "mosec",
        "mosec",
        health="/",
        arguments=("--address", "127.0.0.1", "--wait", "0", "--timeout", "30000"),
    ),
    Peer("LitServe", "litserve", health="/health", apart=True),
    Peer(
        "BentoML",
        "bentoml",
        health="/readyz",
        wrap=lambda _: lists.wrap,
        unwrap=lists.unwrap,
        environment={"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "MLServer",
        "mlserver",
        health="/v2/models/{model}/ready",
        path="/v2/models/{model}/infer",
        wrap=_wrap_for_mlserver,
        unwrap=v2.unwrap,
    ),
    Peer(
        "Ray Serve",
        "ray",
        health="/{model}",
        environment={
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        },
        apart=True,
    ),
    Peer(
        "Triton",
        "pytriton",
        health="/v2/models/{model}/ready",
        path="/v2/models/{model}/infer",
        wrap=_wrap_for_triton,
        unwrap=v2.unwrap,
    ),
)


def peers(
    models: Mapping[str, Path], *, cores: int
) -> list[tuple[Server, list[Target]]]:
    """Every configuration of every peer whose environment has been built.

    Args:
        models: The versions to serve, by name: digits, photo, sentiment, or some of
            them.
        cores: That there are. One worker with as many threads of TensorFlow, and a
            worker a core with one thread each, are configurations.

    Returns:
        Servers, to be started one at a time, each with a target a model.
    """
    numbers = sorted({1, max(1, cores)})
    return [
        subject
        for peer in PEERS
        if peer.python.exists()
        for workers in numbers
        for subject in peer.servers(models, workers=workers, cores=cores)
    ]
