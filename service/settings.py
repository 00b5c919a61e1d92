"""Every setting, with its unit and bounds. Read once, at the entry point.

A command-line option beats an environment variable (`SERVERY_<NAME>`), which beats the
default.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.processes.cores import available_cores


class Settings(BaseSettings):
    """What an operator can decide. Immutable."""

    model_config = SettingsConfigDict(env_prefix="SERVERY_", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8000, ge=0, le=65535, description="TCP port; 0 takes one that is free."
    )
    grpc_port: int = Field(
        0, ge=0, le=65535, description="TCP port for gRPC, 8500 by custom; 0 = none."
    )
    artifacts: Path = Field(
        Path("artifacts"), description="Folder that holds <model>/<version>/."
    )

    http_processes: int = Field(
        0, ge=0, le=64, description="Processes that speak HTTP; 0 = one for two cores."
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="auto = a GPU where TensorFlow finds one, else the CPU."
    )
    tensorflow_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads for one batch on the CPU; 0 = half the cores, or all for "
        "a model of more than 20 MB.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="float32, or bfloat16 on CPUs that have it, for models whose "
        "outputs differ by at most 0.03 in it.",
    )

    versions_kept: int = Field(
        2, ge=1, le=32, description="Newest versions of each model to hold in memory."
    )
    poll_seconds: float = Field(
        2.0, gt=0, le=3600, description="How often the artifacts folder is looked at."
    )

    max_queue_rows: int = Field(
        1024, ge=1, description="Rows that may wait for one model; beyond: 503."
    )
    max_request_rows: int = Field(
        256, ge=1, description="Rows in one request; beyond: 413."
    )
    max_batch_rows: int = Field(
        0,
        ge=0,
        description="Most rows in one batch; 0 = what the manifest allows.",
    )
    timeout_ms: int = Field(
        10_000,
        ge=1,
        description="A request's time, where X-Request-Timeout-Ms says nothing.",
    )
    max_timeout_ms: int = Field(
        60_000, ge=1, description="The most that X-Request-Timeout-Ms may ask for."
    )
    max_in_flight: int = Field(
        256, ge=1, description="Requests to models in one HTTP process; beyond: 503."
    )
    max_body_bytes: int = Field(
        16 * 1024 * 1024, ge=1, description="Bytes of one request's body; beyond: 413."
    )
    max_image_pixels: int = Field(
        50_000_000, ge=1, description="Width × height of one image; beyond: 413."
    )

    drain_delay_s: float = Field(
        0.0,
        ge=0,
        description="Seconds to keep serving after SIGTERM, readiness already red.",
    )
    drain_timeout_s: float = Field(
        20.0, ge=0, description="Seconds to finish what was accepted before SIGTERM."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line that is logged."
    )
    access_log: bool = Field(True, description="One JSON line a request on stdout.")

    def number_of_http_processes(self) -> int:
        """The setting, or one for every two cores that this process may use."""
        return self.http_processes or max(1, available_cores() // 2)

    def number_of_tensorflow_threads(self) -> int:
        """The setting, or half the cores that this process may use."""
        return self.tensorflow_threads or max(1, available_cores() // 2)
