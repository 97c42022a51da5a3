"""`previews app check` compares a description with its repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from previews.adoption.checking import check
from tests.previews.adoption.repositories import DOCKERFILE, ITEMS, MAIN, repository

Run = Callable[..., tuple[int, str, str]]
SCRUB = "tables: {}\n"
GOOD = """\
app: orders
service:
  environment: {DATABASE_URL: "postgresql://{user}:{password}@{host}/{name}?{tls}"}
database: {migrate: alembic upgrade head}
"""


def described(folder: Path, text: str = GOOD, **changed: str | None) -> list[str]:
    repository(folder, **changed)
    (folder / "preview.yaml").write_text(text)
    (folder / "scrub.yaml").write_text(SCRUB)
    return [f"{one.where}: {one.what}" for one in check(folder).problems]


def test_a_good_description_has_no_problem(previews: Run, tmp_path: Path) -> None:
    assert described(tmp_path) == []
    code, output, _ = previews("app", "check", str(tmp_path))
    assert (code, output) == (0, "✓ preview.yaml fits the repository\n")


def test_the_sample_passes() -> None:
    root = Path(__file__).resolve().parents[3]
    # Its rules of the scrub are the platform's own, and move when `database.scrub` names them.
    problems = [one.what for one in check(root).problems]
    assert [what for what in problems if "scrub.yaml" not in what] == []


def test_an_error_of_the_file_has_its_line_and_what_to_write(previews: Run, tmp_path: Path) -> None:
    described(tmp_path, "app: orders\nservice:\n  port: 80\n")
    code, output, _ = previews("app", "check", str(tmp_path), "--json")
    (problem,) = json.loads(output)["problems"]
    assert code == 1
    assert problem["what"].startswith("line 3: service.port is wrong")
    assert problem["remedy"].endswith("service:\n  port: 8000")


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("image: {context: nowhere}", "preview.yaml, image.context: there is no folder nowhere"),
        ("tests: {command: x, folder: e2e}", "preview.yaml, tests.folder: there is no folder e2e"),
        ("image: {dockerfile: Absent}", "preview.yaml, image.dockerfile: there is no file Absent"),
        ("image: {context: ..}", "image.context: .. leads out of the git repository"),
        ("image: {target: prod}", "image.target: Dockerfile has no stage prod"),
        ("image: {args: {A: 1}}", "image.args: Dockerfile declares no ARG A"),
        ("openapi: {file: no.json}", "openapi.file: there is no file no.json"),
        (
            "web: {ui: {path: /ui, image: {context: ui}}}",
            "web.ui.image.context: there is no folder ui",
        ),
    ],
)
def test_what_it_names_has_to_be_there(added: str, problem: str, tmp_path: Path) -> None:
    problems = described(tmp_path / "orders", f"{GOOD}{added}\n")
    assert [one for one in problems if problem in one], problems


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("port: 9000", "", "it is 9000, and Dockerfile exposes 8000"),
        ("health: /ok", "", "no route answers GET /ok"),
        ("health: /health/", "", "there is /health"),
        ("environment: {JWT_SECRET: abc}", "", "environment.JWT_SECRET: a secret stands in plain"),
        ("environment: {REDIS: 'redis://u:pw1234@h'}", "", "environment.REDIS: a secret stands"),
    ],
)
def test_what_the_service_says_has_to_fit(
    key: str, value: str, problem: str, tmp_path: Path
) -> None:
    problems = described(tmp_path, f"app: orders\nservice:\n  {key}\n")
    assert [one for one in problems if problem in one], problems
    assert "pw1234" not in "".join(problems)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ENV SECRET_KEY=hunter2", "Dockerfile line 2: ENV SECRET_KEY is a secret"),
        ("ENV A=1 \\\n    DB=postgresql://u:hunter2@h/x", "Dockerfile line 2: ENV DB is a secret"),
        ("ARG GITHUB_TOKEN", "Dockerfile line 2: ARG GITHUB_TOKEN is a secret"),
        ("ENV API_KEY hunter2", "Dockerfile line 2: ENV API_KEY is a secret"),
        ("ENV K=AKIAABCDEFGHIJKLMNOP", "Dockerfile line 2: ENV K is a secret"),
    ],
)
def test_a_secret_in_the_dockerfile_is_named_and_not_repeated(
    line: str, problem: str, tmp_path: Path
) -> None:
    dockerfile = DOCKERFILE.replace("\n", f"\n{line}\n", 1)
    problems = described(tmp_path, Dockerfile=dockerfile)
    assert [one for one in problems if one.startswith(problem)], problems
    assert "hunter2" not in "".join(problems)


@pytest.mark.parametrize(
    "line", ["ENV ACCESS_TOKEN_EXPIRE_MINUTES=30", "ARG COMMIT=unknown", "ENV SECRET_KEY="]
)
def test_what_is_no_secret_is_no_problem(line: str, tmp_path: Path) -> None:
    assert described(tmp_path, Dockerfile=DOCKERFILE.replace("\n", f"\n{line}\n", 1)) == []


def test_an_image_that_nobody_reaches_or_that_starts_nothing(tmp_path: Path) -> None:
    local = DOCKERFILE.replace('"--host", "0.0.0.0", ', "")
    (problem,) = described(tmp_path, Dockerfile=local)
    assert "listens inside of its container alone" in problem
    (problem,) = described(tmp_path, Dockerfile=DOCKERFILE[: DOCKERFILE.index("CMD")])
    assert "neither CMD nor ENTRYPOINT" in problem


def test_a_script_with_windows_line_ends_is_named(tmp_path: Path) -> None:
    dockerfile = DOCKERFILE[: DOCKERFILE.index("CMD")] + 'CMD ["./start.sh"]\n'
    repository(tmp_path, Dockerfile=dockerfile)
    (tmp_path / "start.sh").write_bytes(b"#!/bin/sh\r\nuvicorn app.main:app --host 0.0.0.0\r\n")
    (problem,) = described(tmp_path, Dockerfile=dockerfile)
    assert problem.startswith("start.sh: it has Windows line ends")


def test_windows_line_ends_elsewhere_are_read(tmp_path: Path) -> None:
    assert (
        described(tmp_path, GOOD.replace("\n", "\r\n"), Dockerfile=DOCKERFILE.replace("\n", "\r\n"))
        == []
    )


def test_alembic_needs_a_url_of_the_environment(tmp_path: Path) -> None:
    ini = "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://localhost/x\n"
    env = """\
from alembic import context
config = context.config
url = config.get_main_option("sqlalchemy.url")
"""
    (problem,) = described(tmp_path, alembic_DOT_ini=ini, migrations__env_DOT_py=env)
    assert problem.startswith(
        "alembic.ini line 3: Alembic has no database URL from the environment"
    )


def test_the_rules_of_the_scrub_must_not_be_a_draft(tmp_path: Path) -> None:
    described(tmp_path)
    (tmp_path / "scrub.yaml").write_text(
        "reviewed: false\ntables:\n  a:\n    columns:\n      b: {how: review}\n"
    )
    (problem,) = check(tmp_path).problems
    assert "a draft" in problem.what
    assert "columns without a rule: 1" in problem.what


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"tables: {t: {columns: {a: {{x}}}}}", "line 1: tables.t.columns.a: without quotes YAML"),
        (b"tables:\n  caf\xe9: {}", "line 1: it is not valid YAML (unacceptable character"),
        (b"tables: {t: {columns: {a: {how: constant, value: 0x_}}}}", "write it in decimal digits"),
    ],
)
def test_rules_of_the_scrub_that_can_t_be_read_are_named(
    tmp_path: Path, text: bytes, problem: str
) -> None:
    described(tmp_path)
    (tmp_path / "scrub.yaml").write_bytes(text)
    [found] = check(tmp_path).problems
    assert found.where == "scrub.yaml"
    assert found.what.startswith("it can't be read: ")
    assert problem in found.what


def test_an_unquoted_placeholder_is_named_with_the_line_to_write(tmp_path: Path) -> None:
    described(tmp_path, "app: orders\nservice:\n  environment:\n    DB: {{host}}\n")
    [found] = check(tmp_path).problems
    assert found.what.startswith("line 4: service.environment.DB is wrong")
    assert "DB: '{host}'" in found.remedy


def test_a_link_must_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(DOCKERFILE)
    folder = repository(tmp_path / "orders", Dockerfile=None)
    (folder / "Dockerfile").symlink_to(tmp_path / "outside")
    (folder / "preview.yaml").write_text(GOOD)
    (folder / "scrub.yaml").write_text(SCRUB)
    assert [one.what for one in check(folder).problems] == [
        "image.dockerfile: Dockerfile leads out of the git repository, also by a link"
    ]


def test_a_smoke_request_needs_what_an_earlier_one_saved(tmp_path: Path) -> None:
    smoke = """\
smoke:
- request: POST /api/items
  json: {name: "{unique}", note: "{other}"}
  save: {id: id}
- request: GET /api/items/{id}?v={etag}
"""
    problems = described(tmp_path, GOOD + smoke)
    assert problems == [
        "preview.yaml, smoke.0: POST /api/items: no earlier request saves {other}",
        "preview.yaml, smoke.1: GET /api/items/{id}?v={etag}: no earlier request saves {etag}",
    ]


def test_routes_that_can_t_be_read_make_a_note(tmp_path: Path) -> None:
    main = MAIN.replace('prefix="/api"', "prefix=prefix()").replace('"/health"', '"/other"')
    assert described(tmp_path, app__main_DOT_py=main) == []
    notes = check(tmp_path).notes
    assert [one.what for one in notes] == ["GET /health is not among the routes that can be read"]
    assert "app/main.py:6" in notes[0].remedy


def test_a_health_route_of_a_router_is_found(tmp_path: Path) -> None:
    items = ITEMS + '\n\n@router.get("/live")\ndef live() -> None: ...\n'
    text = GOOD.replace("service:\n", "service:\n  health: /api/items/live\n")
    assert described(tmp_path, text, app__items_DOT_py=items) == []


def test_all_problems_come_at_once_and_a_missing_file_is_one(previews: Run, tmp_path: Path) -> None:
    problems = described(tmp_path, f"{GOOD}image: {{context: absent, target: x, args: {{A: 1}}}}\n")
    assert len(problems) == 3
    (tmp_path / "preview.yaml").unlink()
    code, output, _ = previews("app", "check", str(tmp_path))
    assert code == 1
    assert "there is no such file" in output
