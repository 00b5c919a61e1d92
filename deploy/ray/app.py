"""Servery as an application of Ray Serve: `serve run deploy.ray.app:servery`.

    serve run deploy.ray.app:servery max_replicas=8 cpus=2
    serve run deploy.ray.app:servery models_per_replica=3 gpus=0.5

What a replica is, is in `replica.py`; how many there are is decided by Ray, by requests
under way. Servery's own settings are those of SERVERY_* where this is run.
"""

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from deploy.ray.replica import Replica
from service.settings import Settings

MARGIN_S = 5.0  # behind the drain, in which the engine's processes end


class Options(BaseModel):
    """What can be said when it is run, as `name=value`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("servery", description="Of the deployment.")
    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(4, ge=1)
    cpus: float = Field(2.0, gt=0, description="That Ray sets aside for a replica.")
    gpus: float = Field(
        0.0, ge=0, description="Likewise; 0.5 puts two replicas on one GPU."
    )
    ongoing_requests: float = Field(
        32,
        gt=0,
        description="Under way in a replica; beyond, there will be more of it.",
    )
    max_ongoing_requests: int = Field(
        256, ge=1, description="Under way in a replica; beyond, they wait outside."
    )
    models_per_replica: int = Field(
        0,
        ge=0,
        description="That it holds at a time, of those asked; 0 = all there are.",
    )
    upscale_delay_s: float = Field(5.0, ge=0)
    downscale_delay_s: float = Field(300.0, ge=0)
    metrics_interval_s: float = Field(
        10.0, gt=0, description="In which Servery's metrics are told to Ray."
    )

    @model_validator(mode="after")
    def _check_bounds(self) -> "Options":
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas: expected at most max_replicas ({self.max_replicas}), "
                f"received {self.min_replicas}"
            )
        return self


def servery(options: Options) -> Application:
    """The application, for `serve run` and `serve.run`."""
    settings = Settings()
    drain_s = settings.drain_delay_s + settings.drain_timeout_s
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name=options.name,
        max_ongoing_requests=options.max_ongoing_requests,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        autoscaling_config=AutoscalingConfig(
            min_replicas=options.min_replicas,
            max_replicas=options.max_replicas,
            target_ongoing_requests=options.ongoing_requests,
            upscale_delay_s=options.upscale_delay_s,
            downscale_delay_s=options.downscale_delay_s,
        ),
        graceful_shutdown_wait_loop_s=min(0.5, drain_s + MARGIN_S),
        graceful_shutdown_timeout_s=drain_s + MARGIN_S,
    )
    bound: Application = deployment.bind(
        settings, options.models_per_replica, options.metrics_interval_s
    )
    return bound
