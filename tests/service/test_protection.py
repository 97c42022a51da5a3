from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from limits.errors import StorageError

from service.app import create_app
from service.protection.rate_limit import RateLimitMiddleware, _network
from service.settings import ConfigurationError, DatabaseSettings, Settings, load

if TYPE_CHECKING:
    from fastapi import FastAPI

NOWHERE = DatabaseSettings(host="127.0.0.1", port=1, name="x", user="x", password="x")


def build(**values: Any) -> FastAPI:
    return create_app(Settings(**values), NOWHERE)


def ask(app: FastAPI, times: int, *, peer: str = "203.0.113.7", **headers: str) -> list[int]:
    with TestClient(app, client=(peer, 50000)) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return [client.get("/version", headers=named).status_code for _ in range(times)]


def test_a_client_that_asks_too_often_is_told_when_to_come_back() -> None:
    with TestClient(build(rate_limit_client="2/minute"), client=("203.0.113.7", 1)) as client:
        first = client.get("/version")
        assert first.headers["ratelimit-policy"] == '"client";q=2;w=60'
        assert first.headers["ratelimit"].startswith('"client";r=1;t=')
        client.get("/version")
        refused = client.get("/version")
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "/problems/rate-limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit"].startswith('"client";r=0;t=')
    assert refused.headers["x-content-type-options"] == "nosniff"


def test_probes_are_never_refused() -> None:
    with TestClient(build(rate_limit_client="1/hour")) as client:
        assert {client.get("/health/live").status_code for _ in range(5)} == {200}


def test_a_forged_header_evades_nothing() -> None:
    app = build(rate_limit_client="2/minute", trusted_proxies=("10.0.0.0/8",))
    with TestClient(app, client=("203.0.113.7", 1)) as client:
        answers = [
            client.get("/version", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
            for n in range(4)
        ]
    assert answers == [200, 200, 429, 429]


def test_behind_a_trusted_proxy_the_nearest_untrusted_address_counts() -> None:
    app = build(rate_limit_client="2/minute", trusted_proxies=("10.0.0.0/8",))
    with TestClient(app, client=("10.1.2.3", 1)) as client:

        def answers(forwarded: str, times: int) -> list[int]:
            headers = {"X-Forwarded-For": forwarded}
            return [client.get("/version", headers=headers).status_code for _ in range(times)]

        assert answers("198.51.100.1", 3) == [200, 200, 429]
        # What the client wrote before the proxy appended its address is not believed.
        assert answers("192.0.2.1, 198.51.100.1", 1) == [429]
        assert answers("192.0.2.1, 198.51.100.1, 10.9.9.9", 1) == [429]
        assert answers("198.51.100.2", 1) == [200]


def test_a_user_is_limited_across_addresses_and_not_instead_of_them() -> None:
    app = build(rate_limit_client="5/minute", rate_limit_user="2/minute")
    assert ask(app, 1, peer="203.0.113.1", Authorization="Bearer one") == [200]
    assert ask(app, 2, peer="203.0.113.2", Authorization="Bearer one") == [200, 429]
    # New credentials from one address run into the limit of the address.
    app = build(rate_limit_client="2/minute", rate_limit_user="5/minute")
    with TestClient(app) as client:
        answers = [
            client.get("/version", headers={"Authorization": f"Bearer {n}"}).status_code
            for n in range(3)
        ]
    assert answers == [200, 200, 429]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("not:an:address", "not:an:address"),
        ("testclient", "testclient"),
    ],
)
def test_a_subscriber_is_one_client(address: str, network: str) -> None:
    assert _network(address) == network


def test_a_storage_that_fails_takes_nothing_down() -> None:
    app = build(rate_limit_client="2/minute", rate_limit_storage="redis://127.0.0.1:1")
    assert ask(app, 3) == [200, 200, 429]


async def test_a_failed_storage_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = RateLimitMiddleware(
        lambda *_: None,  # type: ignore[arg-type,return-value]
        settings=Settings(rate_limit_storage="redis://127.0.0.1:1"),
    )
    requests = []

    async def fail(*_: object) -> bool:
        requests.append(1)
        raise StorageError(ConnectionError())

    assert middleware._shared is not None
    monkeypatch.setattr(middleware._shared, "hit", fail)
    for _ in range(3):
        await middleware._count({"client": "x"})
    assert len(requests) == 1

    async def fail_too(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(middleware._local, "hit", fail_too)
    with pytest.raises(ZeroDivisionError):
        await middleware._count({"client": "x"})


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/version", "/nothing", "/customers?limit=0", "/health"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] in {"no-store", "private, no-cache"}
        assert headers["x-app-commit"] == "c0ffee"
        assert "server" not in headers
        assert "strict-transport-security" not in headers


def test_https_is_remembered_by_browsers() -> None:
    with TestClient(build(), client=("127.0.0.1", 1)) as client:
        response = client.get("/version", headers={"X-Forwarded-Proto": "https"})
    assert response.headers["strict-transport-security"] == "max-age=31536000"


def test_only_known_hosts_are_answered() -> None:
    with TestClient(build(allowed_hosts=("api.example.com", "*.preview.example.com"))) as client:

        def status(host: str) -> int:
            return client.get("/version", headers={"Host": host}).status_code

        assert status("api.example.com") == status("pr-42.preview.example.com:443") == 200
        refused = client.get("/version", headers={"Host": "evil.example.net"})
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json() == {"type": "about:blank", "title": "Bad Request", "status": 400}


def test_browsers_of_named_origins_may_call() -> None:
    with TestClient(build(cors_origins=("https://app.example.com",))) as client:
        preflight = {
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "If-Match",
        }
        good = client.options(
            "/customers", headers=preflight | {"Origin": "https://app.example.com"}
        )
        bad = client.options("/customers", headers=preflight | {"Origin": "https://evil.example"})
        plain = client.get("/version", headers={"Origin": "https://app.example.com"})
    assert good.status_code == 200
    assert good.headers["access-control-allow-origin"] == "https://app.example.com"
    assert bad.status_code == 400
    assert bad.headers["content-type"] == "application/problem+json"
    assert "etag" in plain.headers["access-control-expose-headers"].lower()


def test_without_origins_no_browser_may(client: TestClient) -> None:
    response = client.get("/version", headers={"Origin": "https://app.example.com"})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_CLIENT", "often"),
        ("RATE_LIMIT_STORAGE", "file:///tmp"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,everyone"),
        ("PORT", "http"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^The environment is invalid:\n{name}: "):
        load(Settings)
