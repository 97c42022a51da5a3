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


@pytest.mark.parametrize(
    "text",
    [
        'service: {environment: {A: "a\\0b"}}',
        'service: {command: ["a\\0b"]}',
        'workers: {w: {command: "a\\0b"}}',
        'tests: {command: "true", environment: {A: "a\\0b"}}',
    ],
)
def test_what_no_process_can_be_started_with_is_refused(text: str) -> None:
    assert "NUL" in refused(f"app: orders\n{text}\n").problems[0]


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
        ("{a: .nan}", "a is wrong"),
        ("[-.inf]", "0 is wrong"),
    ],
)
@pytest.mark.parametrize("key", ["json", "expect"])
def test_a_value_that_json_lacks_is_refused(key: str, value: str, problem: str) -> None:
    error = refused(f"app: orders\nsmoke:\n- request: POST /days\n  {key}: {value}\n")
    assert error.problems[0].startswith(f"line 4: smoke.0.{key}.{problem}")
    assert "YAML and JSON differ on this number" in error.problems[0]


def test_windows_line_ends_and_a_byte_order_mark_are_no_error() -> None:
    assert (
        parse_app(FILE, b"\xef\xbb\xbfapp: orders\r\nservice:\r\n  port: 9000\r\n").app == "orders"
    )


WRITTEN = ["3.10", "0123456", "0022", "1:30", "1_000", "12:30:00", "0x1F", "0b_", "0x_", "1e3"]
WRITTEN += ["1.0e+20", ".inf", ".nan", "2024-02-30", "2024-02-20", "2001-12-14t21:59:43.10-99:00"]
WRITTEN += ["yes", "No", "True", "off", "-5", "+5", "9" * 5000]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_text_is_deployed_as_it_was_written(written: str) -> None:
    """YAML 1.1 reads another value, and some that no value at all."""
    app = parse_app(
        FILE,
        f"""
image: {{ args: {{ V: {written} }} }}
service:
  command: [app, {written[:99]}]
  environment:
    V: {written}
    NO: x
    Y: {written}
workers: {{ w: {{ command: x, environment: {{ V: {written} }} }} }}
tests: {{ command: x, environment: {{ V: {written} }} }}
smoke: [{{ request: GET /, form: {{ V: {written} }}, headers: {{ V: {written} }} }}]
""".encode(),
    )
    assert app.service.environment == {"V": written, "NO": "x", "Y": written}
    assert app.service.command == ("app", written[:99])
    assert app.image.args == {"V": written}
    assert app.workers["w"].environment == {"V": written}
    assert app.tests is not None
    assert app.tests.environment == {"V": written}
    assert app.smoke[0].form == app.smoke[0].headers == {"V": written}


def test_json_has_numbers_and_texts() -> None:
    [request] = parse_app(
        FILE,
        b"""
smoke:
- request: POST /
  json: { int: 12, float: 1.50, big: 1.5e+3, yes: on, no: "on", at: 2024-02-30, none: , 1: -1 }
  expect: [{ id: 7 }]
""",
    ).smoke
    assert request.json_body == {
        "int": 12,
        "float": 1.5,
        "big": 1500.0,
        "yes": True,
        "no": "on",
        "at": "2024-02-30",
        "none": None,
        "1": -1,
    }
    assert request.expect == [{"id": 7}]
    assert json.loads(json.dumps(request.json_body)) == request.json_body


@pytest.mark.parametrize("key", ["json", "expect"])
@pytest.mark.parametrize(
    "written", ["0123", "1_000", "1:30", "0x1F", ".inf", "1.0e+999", "9" * 5000]
)
def test_a_number_that_json_lacks_is_refused(written: str, key: str) -> None:
    error = refused(f"smoke:\n- request: GET /\n  {key}:\n    a:\n    - 1\n    - {written}\n")
    assert error.problems[0].startswith(f"line 6: smoke.0.{key}.a.1 is wrong")
    assert "write it in decimal digits, or in quotes" in error.problems[0]
    assert len(error.problems[0]) < 400


@pytest.mark.parametrize(
    "written", ["0022", "1_000", "12:30:00", "0x1F40", "8000.0", "'0022'", "1e4", "9" * 5000, "on"]
)
def test_a_number_is_in_plain_decimal_digits(written: str) -> None:
    error = refused(f"service:\n  port: {written}")
    assert error.problems[0].startswith("line 2: service.port is wrong: expected port")
    assert "expected decimal digits alone, such as 8000" in error.problems[0]
    assert len(error.problems) == 1
    assert error.snippet == "service:\n  port: 8000"


def test_a_plain_number_may_be_in_quotes() -> None:
    assert parse_app(FILE, b"service: {port: '9000', user: 1001}").service.port == 9000


@pytest.mark.parametrize("written", ["{host}", "{{host}}", "{ host }", "{{ host }}"])
@pytest.mark.parametrize(
    ("above", "key"),
    [
        ("service:\n  environment:\n    ", "service.environment.DB"),
        ("workers:\n w:\n  environment:\n    ", "workers.w.environment.DB"),
        ("smoke:\n- request: GET /\n  headers:\n    ", "smoke.0.headers.DB"),
        ("smoke:\n- request: GET /\n  json:\n    ", "smoke.0.json.DB"),
        ("smoke:\n- request: GET /\n  form:\n    ", "smoke.0.form.DB"),
    ],
)
def test_a_placeholder_without_quotes_is_named(written: str, above: str, key: str) -> None:
    """It is the likeliest mistake of all."""
    error = refused(f"{above}DB: {written}\n")
    [problem] = [one for one in error.problems if ".DB " in one]
    assert problem.startswith(f"line {above.count(chr(10)) + 1}: {key} is wrong")
    assert 'write "{host}" in quotes' in problem
    if key.startswith("service"):
        assert error.problems == (problem,)
        assert error.snippet == "service:\n  environment:\n    DB: '{host}'"


def test_a_value_that_begins_with_a_placeholder_needs_quotes() -> None:
    error = refused("service:\n  environment:\n    URL: {user}:hunter2@{host}\n")
    assert error.problems == (
        "line 3: it is not valid YAML (a value that begins with a brace needs quotes)",
    )
    assert error.snippet == 'URL: "{user}…"'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("app: a\n? [a, b]\n: c", "line 2: it is not valid YAML (a key is a text"),
        ("app: a\n? {a: b}\n: c", "line 2: it is not valid YAML (a key is a text"),
        ("app: a\n{x}: c", "line 2: {x} is not a key of this file"),
        ("app: !!binary aGk=", "line 1: it is not valid YAML (the tag "),
        ("service:\n  environment: !!set {a, b}", "line 2: it is not valid YAML (the tag "),
        ("service:\n  environment: !!omap [a: b]", "line 2: it is not valid YAML (the tag "),
        ("app: a\n1: x\n'1': y", "line 3: it is not valid YAML ('1' is there twice)"),
        ("smoke: " + "[" * 3000, "line 1: it is not valid YAML (it is nested too deeply)"),
        (b"app: \xff\xfe", "line 1: it is not valid YAML (unacceptable character"),
        ("a: 1\n---\nb: 1", "it is not valid YAML (but found another document)"),
        ("service: {cpu: " + "9" * 5000 + "m}", "line 1: service.cpu is wrong"),
        ("service: {cpu: " + "9" * 7 + "m}", "line 1: service.cpu is wrong"),
        ("service: {cpu_limit: " + "9" * 5000 + "}", "line 1: service.cpu_limit is wrong"),
        ("service: {memory: " + "9" * 5000 + "Mi}", "line 1: service.memory is wrong"),
        ("needs: {redis: {memory: " + "9" * 8 + "Mi}}", "line 1: needs.redis.memory is wrong"),
        ("service: {user: " + "9" * 5000 + "}", "line 1: service.user is wrong"),
    ],
)
def test_a_slip_of_the_keyboard_is_an_error_with_its_line(text: str | bytes, problem: str) -> None:
    error = refused(text)
    assert problem in error.problems[0]
    assert len(str(error)) < 700


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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "secrets:\n  SECRET_KEY: generate\n  secret_key: generate",
            "line 3: secrets.secret_key is wrong (SECRET_KEY and",
        ),
        ("secrets:\n  A__B: generate\n  A_B: generate\n  _A__b: generate", "A__B and _A__b"),
        ("secrets:\n  KEY_: generate\n  KEY: generate", "KEY_ and KEY"),
        ("secrets:\n  OK: generate\n  _: generate", "line 3: secrets._ is wrong"),
        ("secrets:\n  ___: generate", "line 2: secrets.___ is wrong"),
        ("service:\n  scratch: [/tmp, /tmp]", "line 2: service.scratch is wrong"),
        ("service:\n  scratch: [/tmp, /a, /tmp/]", "/tmp and /tmp/ are one folder"),
        ("workers:\n  w: {command: x, scratch: [/a//b, /a/b]}", "/a//b and /a/b are one folder"),
        ("service: {scratch: [/etc/previews/authorities]}", "/etc/previews/authorities"),
        ("service: {scratch: [/etc/previews/authorities/x]}", "the platform mounts"),
        ("web: {a: {path: /x, image: {}, scratch: [/etc/previews/authorities/]}}", "web.a.scratch"),
        (
            "service: {path: /api}\nweb: {a: {path: /api/, image: {}}}",
            "path /api, /api/ leads to two",
        ),
        (
            "web:\n  a: {path: /x/, image: {}}\n  b: {path: /x, image: {}}",
            "path /x, /x/ leads to two",
        ),
        ("needs: {mail: {}}\nweb: {a: {path: /_mail/, image: {}}}", "path /_mail, /_mail/ leads"),
        *(
            (f"service:\n  {key}: {path}", "line 2: service.")
            for key in ("path", "health")
            for path in ("/a//b", "//", "/./b", "/../b", "/a/./b", "/a/../b", "/a/..", "/a/.")
        ),
        ("service:\n  path: /a%2fb", "line 2: service.path is wrong"),
        ("service:\n  path: /a%2Fb", "%2F"),
        ("service:\n  health: {live: /a//b, ready: /b}", "service.health.live is wrong"),
    ],
)
def test_what_would_collide_when_it_is_made_is_refused_by_name(text: str, problem: str) -> None:
    error = refused(text)
    assert problem in error.problems[0]
    # A path of the health check is two, `live` and `ready`.
    assert len(error.problems) == (
        2 if ".health.live" in error.problems[0] and "{" not in text else 1
    )


def test_what_only_looks_alike_is_accepted() -> None:
    app = parse_app(
        FILE,
        b"""
secrets: { KEY: generate, key: { name: a }, A_B: generate, AB: generate, _X: generate }
service: { path: /api, scratch: [/tmp, /tmp/x, /etc/previews, /etc/previews/authorities-of-ours] }
web: { a: { path: /api/v2/, image: {} }, b: { path: /.x/a..b, image: {} } }
""",
    )
    assert len(app.secrets) == 5
    assert app.web["a"].path == "/api/v2/", "Kubernetes has no other path for it"


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


_YAML = st.lists(
    st.sampled_from(
        [
            *"{}[]:,-?&*!|>'#\" \n",
            *(": ", "\n  ", "{host}", "{{host}}", "0022", "1:30", "2024-02-30", "0x_", "9" * 5000),
            *("service", "environment", "smoke", "json", "port", "A", "<<", "!!int"),
        ]
    ),
    max_size=30,
).map("".join)


@given(st.one_of(st.text(max_size=200), _YAML))
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
