from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from sqlalchemy.exc import DataError

from service.app import create_app
from service.database import Database
from service.settings import BuildInformation, Settings
from service.telemetry import tracing
from service.telemetry.statements import trace_statements
from tests.service.test_telemetry import PARENT, TRACE

if TYPE_CHECKING:
    from tests.service.conftest import PreparedDatabase


def test_traces_hold_requests_and_statements_without_values(migrated: PreparedDatabase) -> None:
    exporter = InMemorySpanExporter()
    app = create_app(
        Settings(),
        migrated.app(pool_size=1),
        BuildInformation(commit="c0ffee"),
        span_processor=SimpleSpanProcessor(exporter),
    )
    with TestClient(app) as client:
        client.get("/health/live")
        response = client.get(
            "/customers", params={"email": "zoe@example.com"}, headers={"traceparent": PARENT}
        )
    assert response.headers["x-request-id"] == TRACE
    spans = exporter.get_finished_spans()
    names = [span.name for span in spans]
    assert "GET /customers" in names
    assert any(name.startswith("SELECT") for name in names)
    assert not any("health" in name for name in names)
    assert {f"{span.context.trace_id:032x}" for span in spans if "customers" in span.name} == {
        TRACE
    }
    for span in spans:
        assert span.resource.attributes["service.version"] == "c0ffee"
        assert "zoe" not in str(dict(span.attributes or {}))


async def test_a_failed_statement_is_told_by_its_class(migrated: PreparedDatabase) -> None:
    exporter = InMemorySpanExporter()
    provider = tracing.provider(
        Settings(), BuildInformation(), processor=SimpleSpanProcessor(exporter)
    )
    assert provider is not None
    database = Database(migrated.app(pool_size=1))
    trace_statements(database.engine, provider)
    with pytest.raises(DataError):
        await database.run(lambda session: session.execute(text("SELECT 'secret'::int")))
    database.close()
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "InvalidTextRepresentation"
    assert "secret" not in f"{span.status.description} {span.events}"


def test_without_an_endpoint_nothing_is_traced() -> None:
    assert tracing.provider(Settings(), BuildInformation()) is None
    assert tracing.telemetry_config(None)["tracing"] is False


def test_an_endpoint_is_exported_to(
    migrated: PreparedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = "http://{}:{}".format(*collector.server_address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with TestClient(create_app(Settings(), migrated.app(pool_size=1))) as client:
            client.get("/customers", params={"email": "zoe@example.com"})
        collector.shutdown()
    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"GET /customers" in received[0][1]
    assert b"SELECT" in received[0][1]
    assert b"zoe" not in received[0][1]
