"""A collector: takes spans by OTLP over HTTP, and writes each as a line of JSON.

python -m tests.tracing.collector FILE [PORT]
"""

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector(ThreadingHTTPServer):
    """Writes what it takes to a file."""

    def __init__(self, file: Path, port: int):
        super().__init__(("127.0.0.1", port), Handler)
        self.file = file


class Handler(BaseHTTPRequestHandler):
    """Answers one export."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        if self.path != "/v1/traces":
            self.send_error(404)
            return
        length = int(self.headers["content-length"])
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(length))
        with self.server.file.open("a") as file:
            file.writelines([json.dumps(span) + "\n" for span in read_spans(sent)])
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002
        """Nothing: nobody reads it."""


def read_spans(sent: Any) -> Iterator[dict[str, Any]]:
    """The spans of an export."""
    for group in sent.resource_spans:
        resource = read_attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield {
                    "name": span.name,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "state": span.trace_state,
                    "kind": span.kind,
                    "began": span.start_time_unix_nano,
                    "ended": span.end_time_unix_nano,
                    "facts": read_attributes(span.attributes),
                    "links": [each.span_id.hex() for each in span.links],
                    "status": span.status.code,
                    "message": span.status.message,
                    "resource": resource,
                }


def read_attributes(attributes: Any) -> dict[str, Any]:
    """Values by name."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value"))
        for each in attributes
    }


def main() -> None:
    """Take spans until killed; the port is said once on stdout."""
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    collector = Collector(Path(sys.argv[1]), port)
    sys.stdout.write(f"{collector.server_port}\n")
    sys.stdout.flush()
    collector.serve_forever()


if __name__ == "__main__":
    main()
