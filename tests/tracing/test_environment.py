"""OpenTelemetry's standard variables, and what is said of those that are wrong."""

import sys

import pytest
from click.testing import CliRunner

from service.cli import cli
from service.settings import Settings
from service.tracing.environment import Sampling, TracingError, read_variables
from service.tracing.start import check_tracing, start_exporting
from tests.imports import imported

TRACING = Settings(tracing=True)


@pytest.mark.parametrize(
    ("sampler", "argument", "sampling"),
    [
        ("", "", Sampling(1.0, heeds_caller=True)),
        ("always_on", "", Sampling(1.0, heeds_caller=False)),
        ("always_off", "0.5", Sampling(0.0, heeds_caller=False)),
        ("traceidratio", "0.25", Sampling(0.25, heeds_caller=False)),
        ("traceidratio", "", Sampling(1.0, heeds_caller=False)),
        ("parentbased_always_on", "", Sampling(1.0, heeds_caller=True)),
        ("parentbased_always_off", "", Sampling(0.0, heeds_caller=True)),
        ("ParentBased_TraceIdRatio", "0.01", Sampling(0.01, heeds_caller=True)),
    ],
)
def test_the_samplers_of_the_standard_are_known(
    sampler: str, argument: str, sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    assert read_variables().sampling == sampling


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER: expected"),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1 %"},
            "OTEL_TRACES_SAMPLER_ARG: expected a share from 0 to 1, received '1 %'",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
            "expected a share",
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "expected http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "expected http/protobuf"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "expected a number from 1 on"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "0"}, "SERVERY_TRACING: schedule_delay"),
    ],
)
def test_a_service_does_not_start_with_a_variable_that_is_wrong(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TracingError, match=message):
        check_tracing(TRACING)


def test_a_small_queue_is_sent_in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    assert read_variables().most_sent == 10
    check_tracing(TRACING)


def test_who_lacks_the_extra_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "service.tracing.export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracingError, match=r"pip install 'servery\[tracing\]'"):
        check_tracing(TRACING)


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVERY_TRACING", "true")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "often")
    result = CliRunner().invoke(cli, ["serve", "--port", "0"])
    assert result.exit_code == 1
    assert "OTEL_TRACES_SAMPLER: expected always_on" in result.output
    assert "received 'often'" in result.output


def test_the_standard_can_switch_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert start_exporting("http-0", TRACING, int) is None


def test_the_sdk_is_not_imported_without_it() -> None:
    code = (
        "import service.web.process, service.engine.process, service.rpc.server\n"
        "from service.settings import Settings\n"
        "from service.tracing.start import check_tracing, start_exporting\n"
        "check_tracing(Settings())\n"
        "assert start_exporting('http-0', Settings(), int) is None\n"
    )
    assert imported(code, of={"opentelemetry.sdk"}) == []
