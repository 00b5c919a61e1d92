"""Every setting, with its unit and bounds. Read once, at the entry point.

A command-line option beats an environment variable (`SERVERY_<NAME>`), which beats the
default.
"""

import re
import shlex
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.log_lines import LogFormat
from service.processes.cores import available_cores

FILES = (
    "cache", "api_keys", "tls_certificate", "tls_key", "tls_client_ca", "drift_folder",
    "drift_reference",
)  # fmt: skip
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:_\[\]-]+")  # as browsers send it


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
    admin_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="TCP port on which alone metrics, docs and administration answer; "
        "0 = they do on the port of all.",
    )
    admin_host: str = Field(
        "127.0.0.1", description="Address to listen on with that port."
    )
    artifacts: Path = Field(
        Path("artifacts"), description="Folder that holds <model>/<version>/."
    )

    admin_token: SecretStr | None = Field(
        None,
        exclude=True,  # processes get it by their environment, never in an argument
        description="Whoever sends it as `Authorization: Bearer` may load, unload and "
        "label versions; without one nobody may.",
    )
    api_keys: Path | None = Field(
        None,
        description="File of hashed API keys, one of which is asked of whoever has a "
        "model compute; empty = everybody may.",
    )
    tls_certificate: Path | None = Field(
        None,
        description="File of the certificate that HTTP and gRPC show, and those up to "
        "its root, in PEM; empty = no TLS.",
    )
    tls_key: Path | None = Field(
        None, description="File of its private key, in PEM, without a passphrase."
    )
    tls_client_ca: Path | None = Field(
        None,
        description="File of certificates, in PEM, one of which must have signed that "
        "of every caller; empty = callers show none.",
    )
    cors_origins: str = Field(
        "",
        description="Origins with commas between, such as https://app.example.com, "
        "from whose pages browsers may ask; * = anybody's, empty = none.",
    )

    playground: bool = Field(
        True,
        description="Whether browsers get a page at `/` on which to try the models.",
    )
    http_processes: int = Field(
        0, ge=0, le=64, description="Processes that speak HTTP; 0 = one for two cores."
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="auto = a GPU where TensorFlow finds one, else the CPU."
    )
    runtime: Literal["auto", "openvino", "tensorflow"] = Field(
        "auto",
        description="What computes: openvino, for what it can compile and answers as "
        "TensorFlow does; tensorflow; or auto, the faster one of them for each model.",
    )
    runtime_tolerance: float = Field(
        1e-4,
        gt=0,
        description="Largest difference of an output from TensorFlow's that is allowed "
        "to what was compiled, of values above 1 as a share; other than floats none.",
    )
    rechecked_batches: int = Field(
        10_000,
        ge=0,
        description="Of so many batches that openvino computes one is computed again "
        "by TensorFlow, at most once an hour for a version, and compared; 0 = none.",
    )
    cache: Path | None = Field(
        Path("~/.cache/servery"),
        description="Folder for what was compiled, so that a second start is quick, on "
        "a disk of the machine; empty = none.",
    )
    tensorflow_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads for one batch on the CPU; 0 = half the cores, or all for "
        "a model of more than 20 MB.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="What models compute in, on CPUs that have bfloat16: float32; "
        "bfloat16, where no output differs by more than 0.03 in it; or auto: bfloat16 "
        "where a version's own samples prove that its answers stay as good.",
    )

    versions_kept: int = Field(
        1, ge=1, le=32, description="Newest versions of each model to hold in memory."
    )
    poll_seconds: float = Field(
        2.0,
        gt=0,
        le=3600,
        description="How often the artifacts folder, API keys and certificates are "
        "looked at.",
    )

    max_crashes: int = Field(
        2,
        ge=1,
        description="Deaths of its process at the hands of one version; then it is in "
        "quarantine.",
    )
    crash_window_s: float = Field(
        3600.0, gt=0, description="Seconds for which such a death counts."
    )
    retire_delay_s: float = Field(
        5.0,
        ge=0,
        description="Seconds that a replaced version still answers requests that had "
        "chosen it.",
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
    max_texts: int = Field(
        128,
        ge=1,
        description="Texts that one model is writing at the same time; beyond: 503.",
    )
    max_text_characters: int = Field(
        20_000,
        ge=1,
        description="Characters that all texts of one request may have together, "
        "count × length; beyond: 413.",
    )
    max_unread_characters: int = Field(
        1024,
        ge=1,
        description="Characters of a request's texts, as they are streamed, that wait "
        "for a caller who does not read, beside 48 kB in its connection; beyond: "
        "dropped.",
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
    max_caller_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Share that one caller may have of what others leave: of these, of "
        "decoders' places, and of the bytes of bodies and images; beyond: 503.",
    )
    max_body_bytes: int = Field(
        16 * 1024 * 1024, ge=1, description="Bytes of one request's body; beyond: 413."
    )
    max_json_values: int = Field(
        32_768,
        ge=1,
        description="Values in one JSON body over 64 kB, with 16 escapes and 16 bytes "
        "around each; beyond: 422.",
    )
    max_request_characters: int = Field(
        500_000,
        ge=1,
        description="Characters of all texts in one request to sentiment; beyond: 422.",
    )
    max_image_pixels: int = Field(
        52_000_000,
        ge=1,
        description="Width × height of one image; beyond: 413. Of a JPEG in many scans "
        "also width × height × scans / 10.",
    )
    max_request_pixels: int = Field(
        208_000_000,
        ge=1,
        description="Width × height of all images of a request together; beyond: 413.",
    )
    max_audio_seconds: int = Field(
        300, ge=1, description="Length of one sound; beyond: 413."
    )
    max_request_samples: int = Field(
        100_000_000,
        ge=1,
        description="Samples that are decoded of all sounds of a request together, "
        "every channel counted; beyond: 413.",
    )
    max_decoded_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        description="Bytes of what one HTTP process makes of pictures, sounds and "
        "seeds, in the dtype that models take, and of what these give for it, until "
        "that is answered; of one request beyond: 413, of all together: 503.",
    )
    max_waiting_images: int = Field(
        64,
        ge=1,
        description="Requests with an image that waits for a decoder, in one HTTP "
        "process; beyond: 503.",
    )
    max_decoder_bytes: int = Field(
        1024 * 1024 * 1024,
        ge=128 * 1024 * 1024,
        description="Memory of one process that decodes images; an image that needs "
        "more: 413.",
    )
    decoders: int = Field(
        0,
        ge=0,
        le=64,
        description="Processes that decode images for one HTTP process, at least 2, of "
        "which one is for small images; 0 = one for each core that it has.",
    )

    max_engine_backlog_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1,
        description="Bytes of rows that wait in one HTTP process for an engine that "
        "does not keep up; beyond: 503.",
    )
    engine_silence_ms: int = Field(
        2000,
        ge=1000,
        description="Without a sign of the engine for so long, readiness turns red.",
    )
    process_silence_s: float = Field(
        30.0,
        ge=5,
        description="A process whose event loop stands still for so long is killed and "
        "replaced.",
    )

    max_head_bytes: int = Field(
        65_536, ge=1024, description="Bytes of a request before its body; beyond: 431."
    )
    max_url_bytes: int = Field(
        8_192, ge=64, description="Bytes of a request's URL; beyond: 414."
    )
    max_headers: int = Field(
        100, ge=8, description="Headers of one request; beyond: 431."
    )
    max_buffered_body_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1,
        description="Bytes of bodies that one HTTP process holds; beyond: 503.",
    )
    max_unsent_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="Bytes of answers that one HTTP process holds for callers who do "
        "not read; beyond: the connection is dropped.",
    )
    max_connections: int = Field(
        2048,
        ge=1,
        description="Connections to one HTTP process; beyond, one that has been idle "
        "for a second is closed, and where there is none: 503.",
    )
    max_connections_per_address: int = Field(
        1024,
        ge=1,
        description="The same, of those from one address that is no trusted proxy "
        "(SERVERY_FORWARDED_ALLOW_IPS).",
    )
    head_timeout_s: float = Field(
        10.0,
        gt=0,
        description="Seconds for a request's head, and for a new connection to speak; "
        "beyond: 408, or closed.",
    )
    keep_alive_s: float = Field(
        75.0, gt=0, description="Seconds that a connection may be idle."
    )
    body_grace_s: float = Field(
        5.0, ge=0, description="Seconds after which a body's speed is looked at."
    )
    min_body_bytes_per_s: int = Field(
        1000, ge=0, description="Least speed of a body since its head; below: 408."
    )
    unread_timeout_s: float = Field(
        30.0,
        gt=0,
        description="Seconds that an answer may wait to be read; beyond: dropped.",
    )
    root_path: str = Field(
        "",
        pattern="^(/[^/]+)*$",
        description="Where a proxy in front has put the service, such as /servery.",
    )
    forwarded_allow_ips: str = Field(
        "",
        description="Proxies, as addresses or networks with commas between, whose "
        "X-Forwarded-For, -Proto and -Prefix are believed; * = anybody's.",
    )

    drain_delay_s: float = Field(
        0.0,
        ge=0,
        description="Seconds to keep serving after SIGTERM, readiness already red.",
    )
    drain_timeout_s: float = Field(
        20.0, ge=0, description="Seconds to finish what was accepted before SIGTERM."
    )

    drift_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of requests whose inputs and answers are written down, to "
        "be compared with training's; 0 = none.",
    )
    drift_folder: Path | None = Field(
        None,
        description="Folder for them, which only the service's user may read.",
    )
    drift_raw: bool = Field(
        False,
        description="Whether pictures, sounds and texts are written down as the model "
        "took them, and not only their size and spread.",
    )
    max_drift_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes that are kept of each model; the oldest make room.",
    )
    max_drift_rows: int = Field(
        100_000,
        ge=1000,
        description="Rows that are kept of each model; the oldest make room.",
    )
    drift_reference: Path | None = Field(
        None,
        description="File of what versions answer where nothing is wrong, in place of "
        "what they carry; `servery drift --save` makes one.",
    )

    engine_wrapper: str = Field(
        "",
        description="Command, with its options, that runs the engine's own, such as "
        "deploy/sandbox/sandbox.py; empty = none.",
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line that is logged."
    )
    log_format: LogFormat = Field(
        "auto",
        description="json, or text for people, with the same facts; auto = text where "
        "stdout is a terminal, else json.",
    )
    access_log: bool = Field(True, description="One line a request on stdout.")
    tracing: bool = Field(
        False,
        description="Whether spans of requests and batches go to an OpenTelemetry "
        "collector, which OTEL_EXPORTER_OTLP_ENDPOINT names.",
    )
    max_log_backlog_bytes: int = Field(
        1024 * 1024,
        ge=0,
        description="Bytes of log lines that wait in one process for who reads stdout; "
        "beyond, lines are dropped and counted.",
    )

    @field_validator(*FILES, mode="before")
    @classmethod
    def _find_path(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for name in filter(None, map(str.strip, value.split(","))):
            if name != "*":
                ip_network(name)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        for origin in filter(None, map(str.strip, value.split(","))):
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError("expected https://app.example.com and so on, or *")
        return value

    @field_validator("engine_wrapper")
    @classmethod
    def _check_wrapper(cls, value: str) -> str:
        shlex.split(value)  # which raises where a quote is not closed
        return value

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.admin_port and self.admin_port in {self.port, self.grpc_port}:
            raise ValueError(
                f"admin_port: expected a port of its own, received {self.admin_port}"
            )
        return self

    @model_validator(mode="after")
    def _check_drift(self) -> Self:
        if self.drift_share and self.drift_folder is None:
            raise ValueError("drift_share: expected a drift_folder too, received none")
        return self

    def has_tls(self) -> bool:
        """Whether any of its files is named."""
        return any((self.tls_certificate, self.tls_key, self.tls_client_ca))

    def number_of_http_processes(self) -> int:
        """The setting, or one for every two cores that this process may use."""
        return self.http_processes or max(1, available_cores() // 2)

    def number_of_tensorflow_threads(self) -> int:
        """The setting, or half the cores that this process may use."""
        return self.tensorflow_threads or max(1, available_cores() // 2)
