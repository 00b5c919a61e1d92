"""Begins to trace, where that is asked for: else OpenTelemetry is not imported."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.settings import Settings
from service.tracing.environment import TracingError, read_variables

if TYPE_CHECKING:
    from service.tracing.export import Exporting


def is_on(settings: Settings) -> bool:
    """Whether spans are made."""
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return settings.tracing and not is_disabled


def start_exporting(
    process: str, settings: Settings, on_lost: Callable[[int], object]
) -> "Exporting | None":
    """Where the spans of this process go, if there is tracing; see `Exporting`."""
    if not is_on(settings):
        return None
    from service.tracing.export import Exporting

    return Exporting(process, on_lost)


def check_tracing(settings: Settings) -> None:
    """See, before any process is started, whether all of them could trace.

    Raises:
        TracingError: OpenTelemetry is not installed, or a standard variable is wrong.
    """
    if not is_on(settings):
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401
    except ImportError as error:
        raise TracingError(
            f"SERVERY_TRACING: {error}. It is an extra: pip install 'servery[tracing]'"
        ) from error
    read_variables()
