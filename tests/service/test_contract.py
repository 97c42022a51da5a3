from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.contract import BREAKING, CONTRACT, current, differences, dump, oasdiff
from tests.service.process import ServiceProcess

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.service.conftest import PreparedDatabase

needs_oasdiff = pytest.mark.skipif(oasdiff() is None, reason="neither oasdiff nor Go is here")


def test_the_contract_is_the_committed_one() -> None:
    report = differences(CONTRACT.read_text(), dump(current()))
    assert not report, report


def test_it_is_what_is_served(client: TestClient) -> None:
    assert client.get("/openapi.json").json() == json.loads(CONTRACT.read_text())


@needs_oasdiff
def test_a_change_that_breaks_clients_is_named_so() -> None:
    before = json.loads(CONTRACT.read_text())
    after = json.loads(CONTRACT.read_text())
    after["components"]["schemas"]["CustomerCreate"]["required"].append("phone")
    del after["paths"]["/customers/{customer_id}"]["delete"]
    report = differences(dump(before), dump(after))
    assert report.startswith(BREAKING)
    assert "phone" in report
    assert "--write" in report


@needs_oasdiff
def test_a_change_that_breaks_nobody_is_named_so() -> None:
    before = json.loads(CONTRACT.read_text())
    after = json.loads(CONTRACT.read_text())
    after["components"]["schemas"]["CustomerCreate"]["properties"]["nickname"] = {"type": "string"}
    assert differences(dump(before), dump(after)).startswith("No client breaks.")


def test_every_error_is_a_problem_in_the_contract() -> None:
    for path, operations in current()["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status >= "400":
                    content = list(response["content"])
                    assert content == ["application/problem+json"], (method, path, status)


def test_schemathesis_finds_nothing(migrated: PreparedDatabase, tmp_path: Path) -> None:
    """Every operation, valid and invalid, one by one and in sequences: all of its checks hold.

    The longest test here: 13 s of processor time, and more than 20 s beside others.
    """
    try:
        with ServiceProcess.start(
            migrated.environment(), RATE_LIMIT_CLIENT="1000000/minute"
        ) as service:
            done = subprocess.run(
                [
                    str(Path(sys.executable).with_name("schemathesis")),
                    "--config-file", str(Path(__file__).with_name("schemathesis.toml")),
                    "run", f"{service.url}/openapi.json",
                    "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful",
                    "--max-examples", "25", "--generation-deterministic",
                ],
                cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout
            assert '"level":"error"' not in service.log.read_text()
    finally:
        migrated.server.execute("TRUNCATE customers, idempotency_keys", database=migrated.name)


def test_the_contract_is_the_same_on_every_version_of_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from types import SimpleNamespace

    from service import openapi

    # As Python 3.13 names them.
    renamed = {413: "Content Too Large", 422: "Unprocessable Content"}
    monkeypatch.setattr(
        openapi, "HTTPStatus", lambda status: SimpleNamespace(phrase=renamed[status])
    )
    described = [answer["description"] for answer in openapi.problems(413, 422).values()]
    assert described == ["Request Entity Too Large", "Unprocessable Entity"]
