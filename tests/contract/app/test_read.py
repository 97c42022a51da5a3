"""A ``preview.yaml`` is read, or refused with the line and the YAML to write."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.app.model import App, Secret, json_schema
from contract.app.read import AppFileError, parse_app, read_app
from contract.app.values import app_name

FILE = Path("orders/preview.yaml")
ROOT = Path(__file__).resolve().parents[3]


def refused(text: str | bytes) -> AppFileError:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(AppFileError) as error:
        parse_app(FILE, content)
    return error.value


def test_an_empty_file_describes_a_plain_fastapi_app() -> None:
    app = parse_app(FILE, b"")
    assert app == App()
    assert app.service.port == 8000
    assert app.service.health.ready == "/health"
    assert app.service.environment == {
        "DATABASE_URL": "postgresql://{user}:{password}@{host}:{port}/{name}?{tls}"
    }


def test_short_forms_mean_the_long_ones() -> None:
    app = parse_app(
        FILE,
        b"""
service:
  health: /ping
  command: uvicorn app:app --port '8000'
  cpu: 1
  environment: {A: 1, B: true, C: 1.5, D: x}
secrets: {KEY: generate, STRIPE: {name: stripe-test}}
database: {migrate: "alembic -c 'a b.ini' upgrade head"}
""",
    )
    assert (app.service.health.live, app.service.health.ready) == ("/ping", "/ping")
    assert app.service.command == ("uvicorn", "app:app", "--port", "8000")
    assert app.service.cpu == "1"
    assert app.service.environment == {"A": "1", "B": "true", "C": "1.5", "D": "x"}
    assert app.secrets == {"KEY": Secret(), "STRIPE": Secret(name="stripe-test")}
    assert app.database.migrate == ("alembic", "-c", "a b.ini", "upgrade", "head")


def test_a_date_stays_the_text_that_the_file_has() -> None:
    """JSON has no dates: the smoke test crashed on the one that YAML made of it."""
    app = parse_app(
        FILE,
        b"""
service: {environment: {SINCE: 2026-02-20, AT: 2001-12-14t21:59:43.10-05:00}}
smoke:
- request: POST /days
  json: {day: 2026-02-20}
  expect: {2026-02-20: 2026-02-30}
""",
    )
    assert app.service.environment == {
        "SINCE": "2026-02-20",
        "AT": "2001-12-14t21:59:43.10-05:00",
    }
    [request] = app.smoke
    assert request.json_body == {"day": "2026-02-20"}
    assert request.expect == {"2026-02-20": "2026-02-30"}


@pytest.mark.parametrize(
    "value",
    [
        "!!timestamp 2026-02-20",
        "!!binary aGk=",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
    ],
)
def test_a_type_that_json_lacks_is_refused(value: str) -> None:
    error = refused(f"app: orders\nsmoke:\n- request: POST /days\n  json: {value}\n")
    assert "line 4: it is not valid YAML" in error.problems[0]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{a: [{1: x}]}", "a.0.1: a key of JSON is a text: write it in quotes"),
        ("{null: x}", "None: a key of JSON is a text: write it in quotes"),
        ("{a: .nan}", "a: JSON has no number nan: write it in quotes if it is a text"),
        ("[-.inf]", "0: JSON has no number -inf: write it in quotes if it is a text"),
    ],
)
@pytest.mark.parametrize("key", ["json", "expect"])
def test_a_value_that_json_lacks_is_refused(key: str, value: str, problem: str) -> None:
    error = refused(f"app: orders\nsmoke:\n- request: POST /days\n  {key}: {value}\n")
    assert error.problems[0].startswith(f"line 4: smoke.0.{key} is wrong")
    assert f"({problem})" in error.problems[0]


def test_windows_line_ends_and_a_byte_order_mark_are_no_error() -> None:
    assert (
        parse_app(FILE, b"\xef\xbb\xbfapp: orders\r\nservice:\r\n  port: 9000\r\n").app == "orders"
    )


@pytest.mark.parametrize(
    ("text", "problem", "snippet"),
    [
        ("app: Orders", "line 1: app is wrong", "app: orders"),
        ("app: orders-pr-1", "line 1: app is wrong", "app: orders"),
        ("service:\n  port: 80", "line 2: service.port is wrong", "service:\n  port: 8000"),
        ("service:\n  prot: 80", "line 2: service.prot is not a key of this file", ""),
        ("extra: 1", "line 1: extra is not a key of this file; known here are app, ", ""),
        ("image:\n  context: /etc", "line 2: image.context is wrong", "image:\n  context: ."),
        ("image:\n  args: {A: [1]}", "line 2: image.args.A is wrong", "image:\n  args:"),
        ("service:\n  user: 0", "line 2: service.user is wrong", "service:\n  user: 10001"),
        ("service:\n  scratch: [tmp]", "line 2: service.scratch.0 is wrong", "scratch:\n  - /tmp"),
        (
            "secrets:\n  KEY: hunter2",
            "line 2: secrets.KEY is wrong",
            "secrets:\n  SECRET_KEY: generate",
        ),
        ("secrets:\n  KEY: {property: a}", "set its `name` too", "secrets:"),
        ("egress:\n- host: 10.0.0.1", "line 2: egress.0.host is wrong", "egress:\n- host: "),
        ("egress:\n- port: 443", "line 2: egress.0.host is missing", "egress:\n- host: "),
        ("smoke:\n- request: GET items", "line 2: smoke.0.request is wrong", "smoke:\n- request"),
        (
            "smoke:\n- request: GET /a\n  json: 1\n  form: {a: 1}",
            "line 2: smoke.0 is wrong",
            "smoke:",
        ),
        ("workers:\n  a: {}", "line 2: workers.a.command is missing", "workers:\n  celery:"),
        ("workers:\n  A_B: {command: x}", "workers.A_B is wrong", "workers:\n  celery:"),
        ("web:\n  a: {path: /x}", "line 2: web.a.image is missing", "web:\n  frontend:"),
        ("web:\n  a: {image: {}}", "path / leads to two services", ""),
        (
            'web:\n  a: {path: /x, image: {args: {URL: "{app_ur}"}}}',
            "URL: {app_ur} is no placeholder",
            "web:",
        ),
        (
            'web:\n  a: {path: /x, image: {args: {LOGIN: "{password}"}}}',
            "LOGIN: {password} is no placeholder",
            "web:",
        ),
        ('image: {args: {URL: "{app_url}"}}', "URL: the app's own image is built", ""),
        (
            "service: {environment: {A: x}}\nsecrets: {A: generate}",
            "A: in both an environment and secrets",
            "",
        ),
        ("database:\n  extensions: [Bad]", "database.extensions.0 is wrong", "database:"),
        ("- 1", "line 1: the file is wrong", ""),
        ("a: 1\na: 2", "line 2: it is not valid YAML ('a' is there twice)", ""),
        ("a: &x 1\nb: *x", "line 2: it is not valid YAML (an alias is not allowed)", ""),
        ("a: [", "it is not valid YAML", ""),
    ],
)
def test_an_error_names_the_line_and_shows_what_to_write(
    text: str, problem: str, snippet: str
) -> None:
    error = refused(text)
    assert problem in "\n".join(error.problems)
    assert snippet in error.snippet
    if not snippet:
        assert error.snippet == ""
    assert str(error).startswith("orders/preview.yaml: ")


def test_tests_of_the_app() -> None:
    assert parse_app(FILE, b"").tests is None
    tests = parse_app(FILE, b"tests: {command: npm test}").tests
    assert tests is not None
    assert (tests.folder, tests.setup, tests.report, tests.seconds) == (".", (), None, 900)
    assert tests.variables({"app_url": "http://x"}) == {"BASE_URL": "http://x"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tests: {}", "tests.command is missing: expected command that fails if a test does"),
        ("tests: {command: ''}", "tests.command is wrong"),
        ("tests: {command: [npm, test]}", "tests.command is wrong"),
        ('tests: {command: "a\\nb"}', "expected one line, as you type it in a shell"),
        ("tests: {command: a, setup: npm ci}", "tests.setup is wrong"),
        ("tests: {command: a, folder: /e2e}", "tests.folder is wrong"),
        ("tests: {command: a, timeout_minutes: 0}", "tests.timeout_minutes is wrong"),
        ("tests: {command: a, timeout_minutes: 60}", "tests.timeout_minutes is wrong"),
        ("tests: {command: a, environment: {A: '{password}'}}", "A: {password} is no placeholder"),
        ("tests: {command: a, environment: {A: '{mail_url}'}}", "`needs` has `mail`"),
        ("tests: {command: a, browsers: 2}", "tests.browsers is not a key of this file"),
    ],
)
def test_tests_that_can_t_be_run_are_refused(text: str, problem: str) -> None:
    error = refused(text)
    assert problem in error.problems[0]
    assert error.problems[0].startswith("line 1: ")


def test_all_errors_are_reported_at_once() -> None:
    error = refused("app: A\nservice: {port: 1, x: 2}")
    assert [problem.partition(" is ")[0] for problem in error.problems] == [
        "line 1: app",
        "line 2: service.port",
        "line 2: service.x",
    ]


def test_what_to_write_is_accepted() -> None:
    """Every example of every key, as an error shows it."""
    for text in (
        "app: A",
        "service: {port: 1}",
        "workers: {a: 1}",
        "web: {a: 1}",
        "secrets: 1",
        "tests: 1",
    ):
        snippet = refused(text).snippet
        described = yaml.safe_load(snippet)
        if "web" in described:
            described["service"] = {"path": "/api"}
        App.model_validate(described)


def test_a_value_is_not_repeated() -> None:
    """It may be a secret that somebody wrote where a name belongs."""
    assert "hunter2" not in str(refused("secrets: {KEY: hunter2}"))


def test_a_missing_or_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppFileError, match="there is no such file"):
        read_app(tmp_path)
    (tmp_path / "preview.yaml").write_bytes(b"#" * 300_000)
    with pytest.raises(AppFileError, match="larger than 256 KiB"):
        read_app(tmp_path)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("image: {context: ../..}", "image.context"),
        ("image: {dockerfile: ../../x}", "image.dockerfile"),
        ("image: {context: link}", "image.context"),
        ("web: {a: {path: /a, image: {context: link/x}}}", "web.a.image.context"),
        ("database: {scrub: ../../secrets}", "database.scrub"),
        ("openapi: {file: link}", "openapi.file"),
        ("sandbox: {staging: {sql: ../../x}}", "sandbox.staging.sql"),
        ("tests: {command: x, folder: link}", "tests.folder"),
        ("tests: {command: x, report: ../../x}", "tests.report"),
    ],
)
def test_a_path_that_leads_out_of_the_repository_is_refused(
    tmp_path: Path, text: str, key: str
) -> None:
    """A pull request's description must not get other files of a machine into an image."""
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    folder = repository / "backend"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "preview.yaml").write_text("image: {context: ..}")
    assert read_app(folder).image.context == "..", "inside of the repository"
    (folder / "preview.yaml").write_text(text)
    with pytest.raises(AppFileError, match=f"{re.escape(key)}: .* leads out of the git repository"):
        read_app(folder)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(AppFileError):
        assert isinstance(parse_app(FILE, text.encode("utf-8", "surrogatepass")), App)


@pytest.mark.parametrize("name", ["", "a", "orders", "orders-eu", "a1-b2", "x" * 32])
def test_names_of_apps(name: str) -> None:
    assert app_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["-a", "a-", "a--b", "A", "1a", "a_b", "a.b", "x" * 33, "pr", "pr-1", "my-staging", "a-data-b"],
)
def test_a_name_that_could_meet_another_s_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^app '"):
        app_name(name)


def test_the_published_schema_is_up_to_date() -> None:
    """``make docs`` writes it."""
    assert (ROOT / "docs/preview.schema.json").read_text() == json_schema()


def test_the_schema_has_the_short_forms() -> None:
    service = json.loads(json_schema())["$defs"]["Service"]["properties"]
    assert {"type": "string"} in service["health"]["anyOf"]
    assert {"type": "string"} in service["command"]["anyOf"]


def test_the_sample_is_an_app_like_any_other() -> None:
    assert read_app(ROOT).app == ""


def test_a_hook_is_a_line_a_list_or_has_a_time_limit() -> None:
    hooks = parse_app(
        FILE,
        b"""
hooks:
  seed: python -m app.seed
  after_deploy: [python, -m, app.warm_up]
  before_destroy: { command: python -m app.sign_off, timeout_seconds: 30 }
""",
    ).hooks
    assert hooks.seed is not None
    assert (hooks.seed.command, hooks.seed.timeout_seconds) == (("python", "-m", "app.seed"), 300)
    assert hooks.seed.after_reset is False
    assert hooks.after_deploy is not None
    assert hooks.after_deploy.command == ("python", "-m", "app.warm_up")
    assert hooks.before_destroy is not None
    assert hooks.before_destroy.timeout_seconds == 30


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hooks:\n  seed: ''", "line 2: hooks.seed.command is wrong"),
        ("hooks:\n  seed: {after_reset: true}", "line 2: hooks.seed.command is missing"),
        ("hooks:\n  after_deploy: {command: x, after_reset: true}", "is not a key of this file"),
        ("hooks:\n  before_reset: x", "known here are after_deploy, before_destroy, seed"),
        ("hooks:\n  seed: {command: x, timeout_seconds: 9999}", "expected its time limit"),
        ("sandbox:\n  staging: {sql: a.sql, dump: b.dump}", "at most one of `command`"),
        ("sandbox:\n  staging: {sql: /etc/passwd}", "sandbox.staging.sql is wrong"),
    ],
)
def test_a_wrong_hook_or_source_of_data_is_refused(text: str, problem: str) -> None:
    assert problem in str(refused(text))
