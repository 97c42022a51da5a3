from __future__ import annotations

import io
import json
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from service.telemetry import logs
from service.telemetry.correlation import correlate
from service.telemetry.redaction import REDACTED, redact, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@contextmanager
def captured(level: str = "debug", style: Any = "json") -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure(level=level, style=style, stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:], _ = before
        root.setLevel(before[1])
        logging.getLogger("sqlalchemy.engine").setLevel("WARNING")
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_of_a_request_carries_its_identifiers(app: FastAPI) -> None:
    # SQLAlchemy looks at the level when a connection is made.
    with captured() as stream, TestClient(app) as client:
        response = client.get(
            "/customers", headers={"X-Request-ID": "from-the-client.1", "traceparent": PARENT}
        )
    assert response.headers["x-request-id"] == "from-the-client.1"
    found = [line for line in lines(stream) if not line["logger"].startswith(("httpx", "asyncio"))]
    # The statement is logged by SQLAlchemy, from another thread, through the standard library.
    assert {"service.request"} < {line["logger"] for line in found}
    assert any(line["logger"].startswith("sqlalchemy.engine") for line in found)
    requested = [line for line in found if line.get("request_id") == "from-the-client.1"]
    assert any("FROM customers" in line["event"] for line in requested)
    assert all(line["trace_id"] == TRACE for line in requested)
    # Only the opening of the connection belongs to no request.
    assert not any("customers" in line["event"] for line in found if line not in requested)
    request = next(line for line in found if line["event"] == "request")
    assert request["route"] == "/customers"
    assert request["status"] == 200
    assert request["level"] == "info"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", request["timestamp"])


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 65, "a\x7f", 'id"injected'])
def test_an_identifier_is_given_where_there_is_no_good_one(
    client: TestClient, sent: str | None
) -> None:
    response = client.get("/health/live", headers={} if sent is None else {"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        (PARENT, TRACE),
        (f"01-{TRACE}-b7ad6b7169203331-01-more", TRACE),
        (f"00-{TRACE}-b7ad6b7169203331-01-more", None),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        ("junk", None),
    ],
)
def test_a_trace_is_followed_if_it_is_one(parent: str, trace: str | None) -> None:
    found = correlate([(b"traceparent", parent.encode())])
    assert (found.trace_id == trace) == (trace is not None)
    assert re.fullmatch(r"[0-9a-f]{32}", found.trace_id)


def test_no_line_tells_of_people_or_secrets(
    app: FastAPI,
) -> None:
    """All requests, whatever their outcome, at the lowest log level."""
    secrets = {
        "address": "zoe.private@mail.example.com",
        "name": "Zoe Sensitive",
        "phone": "+442079460999",
        "company": "Confidential Works",
        "notes": "told-in-confidence",
        "query": "query-value-of-zoe",
        "credential": "s3cr3t-credential",
        "cookie": "cookie-of-zoe",
    }
    body = {
        "name": secrets["name"],
        "email": secrets["address"],
        "phone": secrets["phone"],
        "company": secrets["company"],
        "notes": secrets["notes"],
    }
    headers = {"Authorization": f"Bearer {secrets['credential']}", "Cookie": secrets["cookie"]}

    @app.get("/explodes")
    async def explodes(email: str) -> None:
        password = secrets["credential"]
        raise RuntimeError(f"could not tell {email} of password={password}")

    quiet = TestClient(app, raise_server_exceptions=False)
    with captured() as stream, quiet as client:
        created = client.post("/customers", json=body, headers=headers)
        assert created.status_code == 201
        assert client.post("/customers", json=body, headers=headers).status_code == 409
        assert client.post("/customers", json=body | {"plan": "x"}, headers=headers).is_error
        path = created.headers["location"]
        client.patch(path, json=body | {"notes": "n"}, headers=headers | {"If-Match": '"v1"'})
        client.get(
            "/customers", params={"company": secrets["company"], "email": secrets["address"]}
        )
        client.get(f"/{secrets['query']}?q={secrets['query']}", headers=headers)
        assert client.get("/explodes", params={"email": secrets["address"]}).status_code == 500
        logging.getLogger("uvicorn.error").warning("%s", f"peer sent {secrets['address']}")
        structlog.stdlib.get_logger("x").info("event", authorization=secrets["credential"])
    # The test's own client, httpx or httpx2, writes the addresses that it calls.
    written = "\n".join(
        line for line in stream.getvalue().splitlines() if '"logger":"httpx' not in line
    )
    assert written.count('"event":"request"') >= 7
    assert "RuntimeError" in written
    for kind, secret in secrets.items():
        assert secret not in written, kind


@pytest.mark.parametrize(
    "line",
    [
        "postgresql://app:hunter2@db.internal:5432/shop",
        "Authorization: Bearer hunter2",
        "password=hunter2 host=db",
        '{"token": "hunter2"}',
        "GET /customers?email=hunter2&x=hunter2",
        "DETAIL:  Key (email)=(hunter2) already exists.",
        "Failing row contains (1, hunter2, null).",
        "wrote to hunter2@example.com",
    ],
)
def test_redaction_knows_the_shapes_of_secrets(line: str) -> None:
    redacted = redact_text(line)
    assert "hunter2" not in redacted
    assert REDACTED in redacted


def test_redaction_looks_into_values() -> None:
    event = {
        "event": "fine",
        "number": 7,
        "Set-Cookie": "hunter2",
        "api_key": 12345,
        "nested": {"password": "hunter2", "list": ["hunter2@example.com", 7, None]},
        "error": ValueError("hunter2@example.com"),
    }
    redacted = redact(None, "", event)
    assert "hunter2" not in str(redacted)
    assert (redacted["event"], redacted["number"]) == ("fine", 7)
    assert redacted["api_key"] == REDACTED
    assert redacted["nested"]["list"][1:] == [7, None]


@given(st.emails(), st.text(max_size=20), st.text(max_size=20))
def test_no_address_survives(address: str, before: str, after: str) -> None:
    assert address not in redact_text(f"{before} {address} {after}")


def test_a_terminal_is_written_for_people() -> None:
    with captured(style="console") as stream:
        structlog.stdlib.get_logger("x").info("logged", to="ann@example.com")
    assert "logged" in stream.getvalue()
    assert "ann@" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_nothing_costs_a_line() -> None:
    with captured() as stream:
        structlog.stdlib.get_logger("x").info("lone", value="\ud800", number=float("nan"))
    (line,) = lines(stream)
    assert line["value"] == "\ud800"


def test_lower_levels_are_left_out() -> None:
    with captured("warning") as stream:
        structlog.stdlib.get_logger("x").info("logged")
        logging.getLogger("x").info("logged")
        structlog.stdlib.get_logger("x").warning("kept")
    assert [line["event"] for line in lines(stream)] == ["kept"]


def test_numbers_are_by_route_template(client: TestClient) -> None:
    client.get("/customers")
    client.get("/customers/00000000-0000-4000-a000-000000000000")
    client.get("/nobody/knows/this")
    client.request("BREW", "/customers")
    output = client.get("/metrics").text
    assert 'http_requests_total{method="GET",route="/customers",status="200"} 1.0' in output
    assert (
        'http_requests_total{method="GET",route="/customers/{customer_id}",status="404"} 1.0'
        in output
    )
    assert 'http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in output
    assert 'http_requests_total{method="OTHER"' in output
    assert (
        'http_request_duration_seconds_bucket{le="0.005",method="GET",route="/customers"}' in output
    )
    assert "http_requests_in_progress 1.0" in output
    assert 'database_pool_connections{state="limit"} 1.0' in output
    assert 'database_pool_connections{state="in_use"} 0.0' in output
    assert "database_pool_waiting 0.0" in output


def test_numbers_are_not_for_the_outside(client: TestClient) -> None:
    response = client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
    assert response.status_code == 404
