"""What is proposed for how apps are written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract.app.model import App
from contract.app.placeholders import fill
from contract.app.read import parse_app
from previews.adoption.dockerfile import Instruction
from previews.adoption.proposal import Proposal, propose
from previews.adoption.repository import read_repository
from tests.previews.adoption.repositories import DOCKERFILE, ENV, repository


def proposed(folder: Path) -> tuple[App, Proposal]:
    def choose(question: str, options: Sequence[str]) -> str:
        raise AssertionError(question, options)

    proposal = propose(read_repository(folder, choose), lambda _question, given: given)
    return parse_app(folder / "preview.yaml", proposal.text.encode()), proposal


def command(last: str, entrypoint: str = "") -> str:
    return DOCKERFILE[: DOCKERFILE.index("CMD")] + entrypoint + last + "\n"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ('CMD ["fastapi", "run"]', None),
        ('CMD ["fastapi", "run", "--workers", "4"]', ("fastapi", "run")),
        (
            "CMD alembic upgrade head && uvicorn app.main:app --host 0.0.0.0",
            ("uvicorn", "app.main:app", "--host", "0.0.0.0"),
        ),
        (
            'CMD ["uvicorn", "app.main:app"]',
            ("uvicorn", "app.main:app", "--host", "0.0.0.0"),
        ),
        (
            'CMD ["poetry", "run", "uvicorn", "app.main:app", "--host=0.0.0.0"]',
            ("/app/.venv/bin/uvicorn", "app.main:app", "--host=0.0.0.0"),
        ),
        (
            'CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "80"]',
            ("uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"),
        ),
        ("CMD uvicorn app.main:app --host 0.0.0.0 --port ${PORT:-8000}", None),
        ("", ("uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000")),
    ],
)
def test_the_command_is_replaced_only_where_the_image_s_does_not_fit(
    last: str, expected: tuple[str, ...] | None, tmp_path: Path
) -> None:
    app, _ = proposed(repository(tmp_path, Dockerfile=command(last)))
    assert app.service.command == expected
    assert app.service.port == 8000


def test_a_script_that_migrates_is_passed_by(tmp_path: Path) -> None:
    entrypoint = 'ENTRYPOINT ["./init.sh"]\n'
    last = 'CMD ["/venv/bin/uvicorn", "app.main:app", "--host", "0.0.0.0"]'
    repository(tmp_path, Dockerfile=command(last, entrypoint))
    (tmp_path / "init.sh").write_text('#!/bin/sh\nalembic upgrade head\nexec "$@"\n')
    app, _ = proposed(tmp_path)
    assert app.service.command == ("/venv/bin/uvicorn", "app.main:app", "--host", "0.0.0.0")
    assert app.database.migrate == ("/venv/bin/alembic", "upgrade", "head")


@pytest.mark.parametrize(
    ("script", "seed"),
    [
        (
            "python app/wait.py\nalembic upgrade head\npython app/seed.py\n",
            ("python", "app/seed.py"),
        ),
        ("python -m app.wait && alembic upgrade head\n", None),
        (
            "alembic upgrade head\npython -m app.seed && exec fastapi run\n",
            ("python", "-m", "app.seed"),
        ),
        ("alembic upgrade head\nexec python -m uvicorn app.main:app\n", None),
    ],
)
def test_a_script_that_seeds_after_the_migrations_is_a_hook(
    script: str, seed: tuple[str, ...] | None, tmp_path: Path
) -> None:
    repository(tmp_path)
    (tmp_path / "prestart.sh").write_text(script)
    app, _ = proposed(tmp_path)
    assert (app.hooks.seed and app.hooks.seed.command) == seed


def test_several_scripts_that_seed_are_remarked(tmp_path: Path) -> None:
    repository(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.sh").write_text(f"alembic upgrade head\npython app/{name}.py\n")
    app, proposal = proposed(tmp_path)
    assert app.hooks.seed is None
    assert any("one.sh runs `python app/one.py` after" in remark for remark in proposal.remarks)


SEPARATE = {
    "POSTGRES_SERVER": "{host}",
    "POSTGRES_PORT": "{port}",
    "POSTGRES_USER": "{user}",
    "POSTGRES_PASSWORD": "{password}",
    "POSTGRES_DB": "{name}",
    "PGSSLMODE": "{sslmode}",
}
_FIELDS = """
    POSTGRES_SERVER: str
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str
    POSTGRES_PASSWORD: str = ""
    POSTGRES_DB: str = ""
    SQLALCHEMY_DATABASE_URI: str | None = None
"""
_HEAD = """\
from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
"""
URL = "://{user}:{password}@{host}:{port}/{name}?{tls}"


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        (f"class Settings(BaseSettings):{_FIELDS}", SEPARATE),
        (
            """
class Db(BaseModel):
    hostname: str = "db"
    password: SecretStr = SecretStr("x")
class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_", env_nested_delimiter="__")
    database: Db = Field(default_factory=Db)
""",
            {
                "APP_DATABASE__HOSTNAME": "{host}",
                "APP_DATABASE__PASSWORD": "{password}",
                "PGSSLMODE": "{sslmode}",
            },
        ),
        (
            """
class Settings(BaseSettings):
    url: str = Field(validation_alias="DATABASE_URL", default="postgresql+psycopg://a:b@h/x")
""",
            {"DATABASE_URL": f"postgresql+psycopg{URL}"},
        ),
        (
            "import os\nA = os.environ['DB_URI']\nB = os.getenv('DEBUG', 'false')",
            {"DB_URI": f"postgresql+asyncpg{URL}"},
        ),
        (
            """
from starlette.config import Config
config = Config(".env")
A = config("DATABASE_URL", default="postgresql://localhost/x")
""",
            {"DATABASE_URL": f"postgresql{URL}"},
        ),
        (
            """
class Settings(BaseSettings):
    database_url: str
    frontend_url: str = "http://localhost:3000"
    cors_origins: list[str]
    allowed_hosts: list[str] = ["localhost"]
""",
            {
                "DATABASE_URL": f"postgresql+asyncpg{URL}",
                "FRONTEND_URL": "{app_url}",
                "CORS_ORIGINS": '["{app_url}"]',
                "ALLOWED_HOSTS": '["*"]',
            },
        ),
        (
            """
class Base(BaseSettings):
    database_url: str
class Settings(Base):
    pass
class TestSettings(Base):
    only_in_tests: str
""",
            {"DATABASE_URL": f"postgresql+asyncpg{URL}"},
        ),
    ],
)
def test_variables_become_placeholders(
    settings: str, environment: dict[str, str], tmp_path: Path
) -> None:
    app, _ = proposed(repository(tmp_path, app__settings_DOT_py=_HEAD + settings + "\n"))
    assert dict(app.service.environment) == environment


def test_secrets_are_generated_or_named(tmp_path: Path) -> None:
    settings = """
class Settings(BaseSettings):
    database_url: str
    jwt_key: str = "changeme"
    first_admin_password: str
    stripe_api_key: str
    smtp_password: str | None = None
    access_token_expire_minutes: int = 30
    use_credentials: bool
"""
    app, proposal = proposed(repository(tmp_path, app__settings_DOT_py=_HEAD + settings))
    assert {name: secret.name for name, secret in app.secrets.items()} == {
        "JWT_KEY": None,
        "FIRST_ADMIN_PASSWORD": None,
        "STRIPE_API_KEY": "stripe-api-key",
    }
    assert "changeme" not in proposal.text


def test_other_servers_and_unread_starts_are_remarked(tmp_path: Path) -> None:
    repository(
        tmp_path,
        Dockerfile=command('CMD ["./run"]'),
        app__settings_DOT_py=_HEAD
        + "class S(BaseSettings):\n    db_url: str\n    mongo_url: str\n",
    )
    (tmp_path / "compose.yml").write_text(
        "services:\n  cache: {image: mongo:8}\n  db: {image: postgres:18}\n"
        "  jobs: {build: ., command: celery -A app.tasks worker}\n"
    )
    app, proposal = proposed(tmp_path)
    remarks = "\n".join(proposal.remarks)
    assert "MONGO_URL (app/settings.py:5): a preview has no MongoDB" in remarks
    assert "compose runs cache (mongo:8)" in remarks
    assert "db" not in remarks
    assert "was not understood (./run)" in remarks
    assert app.workers["jobs"].command == ("celery", "-A", "app.tasks", "worker")


def test_env_py_that_replaces_the_driver_is_remarked(tmp_path: Path) -> None:
    env = ENV + 'url = str(Settings().database_url).replace("+asyncpg", "")\n'
    _, proposal = proposed(repository(tmp_path, migrations__env_DOT_py=env))
    assert any("replaces the driver asyncpg" in remark for remark in proposal.remarks)


@pytest.mark.parametrize(
    ("dockerfile", "user"),
    [
        (DOCKERFILE.replace("USER 10001", "USER 1234:1234"), 1234),
        (DOCKERFILE.replace("USER 10001", "RUN useradd --uid 999 app\nUSER app"), 999),
        (DOCKERFILE.replace("USER 10001", "RUN useradd app\nUSER app"), 1000),
        (DOCKERFILE.replace("USER 10001", "USER root"), 10001),
        (DOCKERFILE.replace("USER 10001\n", ""), 10001),
    ],
)
def test_the_user_is_the_image_s(dockerfile: str, user: int, tmp_path: Path) -> None:
    assert proposed(repository(tmp_path, Dockerfile=dockerfile))[0].service.user == user


@pytest.mark.parametrize(
    ("main", "health"),
    [
        ("app = FastAPI()\n@app.get('/healthz')\ndef h(): ...", "/healthz"),
        ("app = FastAPI(openapi_url=None)\n@app.get('/')\ndef h(): ...", "/"),
        ("app = FastAPI(openapi_url=f'{PREFIX}/openapi.json')", "/v1/openapi.json"),
        (
            """
def make() -> FastAPI:
    api = FastAPI()
    routes(api)
    return api
def routes(one):
    one.add_api_route(PREFIX + "/ping", print)
app = make()
""",
            "/v1/ping",
        ),
        (
            """
router = APIRouter(prefix=settings().prefix)
@router.get("/live")
def a(): ...
@router.get("/ready")
def b(): ...
@router.get("/health/redis")
def c(): ...
class S(BaseSettings):
    prefix: str = "/p"
app = FastAPI()
app.include_router(router)
""",
            "/p/ready",
        ),
    ],
)
def test_the_health_route_is_found(main: str, health: str, tmp_path: Path) -> None:
    head = "from fastapi import APIRouter, FastAPI\nPREFIX = '/v1'\n"
    app, _ = proposed(repository(tmp_path, app__main_DOT_py=f"{head}{main}\n"))
    assert app.service.health.ready == health


def test_the_path_of_a_healthcheck_is_the_health_path(tmp_path: Path) -> None:
    checked = 'HEALTHCHECK CMD ["wget", "-O", "/dev/null", "http://0.0.0.0:8000/well"]\n'
    main = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/well')\ndef a(): ...\n"
    repository(tmp_path, Dockerfile=DOCKERFILE + checked, app__main_DOT_py=main)
    app, _ = proposed(tmp_path)
    assert app.service.health.ready == "/well"


def test_the_healthcheck_of_compose_is_read_where_the_image_has_none(tmp_path: Path) -> None:
    main = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/well')\ndef a(): ...\n"
    compose = """
services:
  api:
    build: .
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8000/well"]
"""
    repository(tmp_path, app__main_DOT_py=main)
    (tmp_path / "compose.yaml").write_text(compose)
    app, _ = proposed(tmp_path)
    assert app.service.health.ready == "/well"


SERVING = (
    'FROM base AS runtime\nCMD ["tini", "--", "uvicorn", "app.main:app", "--host", "0.0.0.0"]\n'
)


@pytest.mark.parametrize(
    ("last", "target"),
    [
        ('FROM base AS worker\nCMD ["python", "-m", "worker"]\n', "runtime"),
        ('FROM base AS development\nCMD ["fastapi", "dev"]\n', "runtime"),
        ('FROM base AS final\nCMD ["fastapi", "run"]\n', None),
        ("FROM base AS final\n", "runtime"),
        ("FROM runtime AS final\n", None),
    ],
)
def test_of_several_stages_the_one_that_serves_is_built(
    last: str, target: str | None, tmp_path: Path
) -> None:
    repository(tmp_path, Dockerfile=f"FROM python:3.13-slim AS base\n{SERVING}{last}")
    app, _ = proposed(tmp_path)
    assert app.image.target == target


def test_migrations_that_only_pyproject_describes_are_found(tmp_path: Path) -> None:
    pyproject = '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
    ini = "[alembic]\nsqlalchemy.url = driver://user:pass@localhost/dbname\n"
    repository(tmp_path, pyproject_DOT_toml=pyproject, alembic_DOT_ini=ini)
    app, _ = proposed(tmp_path)
    assert app.database.migrate == ("alembic", "upgrade", "head")


def test_an_app_that_would_migrate_by_itself_does_not(tmp_path: Path) -> None:
    settings = (
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        "    database_url: str\n    auto_run_migrations: bool = True\n"
        "    migrations_folder: str = 'm'\n"
    )
    app, _ = proposed(repository(tmp_path, app__settings_DOT_py=settings))
    assert app.service.environment["AUTO_RUN_MIGRATIONS"] == "false"
    assert "MIGRATIONS_FOLDER" not in app.service.environment


NEWER = """\
from fastapi import FastAPI
class Cache[T: object](dict[str, T]): ...
class Plain[T]: ...
type Pair[T] = tuple[T, T]
type Name = str
def first[T](given: list[T]) -> T:
    try:
        return given[0]
    except IndexError, KeyError:
        raise
    except ValueError, TypeError:  # Both.
        raise
def shown(given: dict[str, str]) -> str:
    return f"{given["a"]} and {given["b"]}"
class Own(FastAPI): ...
app = Own()
@app.get('/health')
def health(): ...
"""


def test_python_newer_than_this_one_is_read(tmp_path: Path) -> None:
    repository(tmp_path, app__main_DOT_py=NEWER)
    app, proposal = proposed(tmp_path)
    assert app.service.health.ready == "/health"
    assert dict(proposal.found)["app"].startswith("app.main:app ")


ROUTERS = """\
from fastapi import APIRouter
one = APIRouter()
two = APIRouter(prefix="/two")
@one.get("/health")
def a(): ...
@two.get("/health")
def b(): ...
"""


LOOPED = """\
routers = {"One": r.one}
for tag, router in routers.items():
    app.include_router(router)
"""
OF_A_TUPLE = """\
for router in (r.one,):
    app.include_router(router, prefix="/v1")
"""
OF_PAIRS = """\
pairs = [(r.two, "two")]
for router, tag in pairs:
    app.include_router(router)
"""
RETURNED = """\
def made(v1_prefix):
    router = APIRouter()
    inner = APIRouter(prefix="/in")
    inner.include_router(r.one)
    router.include_router(inner, prefix=v1_prefix)
    return router
class Settings(BaseSettings):
    database_url: str
    v1_prefix: str = "/v1"
app.include_router(made(v1_prefix=Settings().v1_prefix))
"""


@pytest.mark.parametrize(
    ("main", "health"),
    [
        (LOOPED, "/health"),
        (OF_A_TUPLE, "/v1/health"),
        (OF_PAIRS, "/two/health"),
        (RETURNED, "/v1/in/health"),
    ],
)
def test_routers_of_a_loop_and_of_a_function_are_found(
    main: str, health: str, tmp_path: Path
) -> None:
    head = (
        "from fastapi import APIRouter, FastAPI\nfrom pydantic_settings import BaseSettings\n"
        "from app import r\napp = FastAPI()\n"
    )
    repository(tmp_path, app__main_DOT_py=head + main + "\n")
    (tmp_path / "app/r.py").write_text(ROUTERS)
    app, _ = proposed(tmp_path)
    assert app.service.health.ready == health


def test_routers_that_cannot_be_followed_are_named(tmp_path: Path) -> None:
    main = (
        "from importlib import import_module\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "def loaded(name):\n    router = getattr(import_module(name), 'router')\n"
        "    return router\n"
        "def all_of_them():\n    return [loaded(name) for name in ('one', 'two')]\n"
        "for router in all_of_them():\n    app.include_router(router)\n"
    )
    _, proposal = proposed(repository(tmp_path, app__main_DOT_py=main))
    assert "not readable: app/main.py:10" in dict(proposal.found)["routes"]


def test_an_optional_key_that_signs_is_generated(tmp_path: Path) -> None:
    settings = (
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        "    database_url: str\n    auth_jwt_secret_key: str | None = None\n"
        "    stripe_secret_key: str | None = None\n    encryption_key: str | None = None\n"
    )
    app, _ = proposed(repository(tmp_path, app__settings_DOT_py=settings))
    assert set(app.secrets) == {"AUTH_JWT_SECRET_KEY"}


@pytest.mark.parametrize(
    ("default", "example", "expected"),
    [
        ("sqlite+aiosqlite", "", "postgresql+asyncpg"),
        ("sqlite+aiosqlite", "postgresql+psycopg", "postgresql+psycopg"),
        ("sqlite", "", "postgresql"),
        ("postgresql", "", None),
    ],
)
def test_a_variable_that_names_the_driver_names_postgresql_s(
    default: str, example: str, expected: str | None, tmp_path: Path
) -> None:
    settings = (
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        f"    db_type: str = '{default}'\n    db_host: str\n    db_password: str\n"
    )
    repository(tmp_path, app__settings_DOT_py=settings)
    (tmp_path / ".env_examples").write_text(f"DB_TYPE={example}\n")
    app, _ = proposed(tmp_path)
    assert app.service.environment.get("DB_TYPE") == expected


def test_the_default_of_a_url_s_type_names_the_driver(tmp_path: Path) -> None:
    settings = (
        "from pydantic import PostgresDsn\nfrom pydantic_settings import BaseSettings\n"
        "class Settings(BaseSettings):\n"
        "    pg_dsn: PostgresDsn = PostgresDsn('postgresql://user:pass@localhost:5432/db')\n"
    )
    app, _ = proposed(repository(tmp_path, app__settings_DOT_py=settings))
    assert app.service.environment["PG_DSN"].startswith("postgresql://")


COMPOSE_WITH_NEEDS = """
services:
  web: { build: ., environment: { REDIS_HOST: redis } }
  redis: { image: "redis:7-alpine" }
  mailcatcher: { image: schickling/mailcatcher }
"""
NEEDS_SETTINGS = """\
from pydantic_settings import BaseSettings
class Settings(BaseSettings):
    database_url: str
    redis_cache_host: str = "localhost"
    redis_cache_port: int = 6379
    redis_cache_password: str | None = None
    celery_broker_url: str = "redis://localhost:6379/2"
    valkey_dsn: str = "redis://cache:6379"
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_tls: bool = True
    smtp_user: str | None = None
    mail_starttls: bool = True
    s3_bucket_name: str = "uploads"
    aws_region: str = "eu-west-1"
    mongo_url: str = "mongodb://localhost"
"""


def test_servers_that_a_preview_can_have_are_needs(tmp_path: Path) -> None:
    repository(tmp_path, app__settings_DOT_py=NEEDS_SETTINGS)
    (tmp_path / "compose.yaml").write_text(COMPOSE_WITH_NEEDS)
    app, proposal = proposed(tmp_path)
    assert app.needs.declared == {"redis", "mail", "bucket"}
    assert app.service.environment == {
        "DATABASE_URL": "postgresql+asyncpg://{user}:{password}@{host}:{port}/{name}?{tls}",
        "REDIS_CACHE_HOST": "{redis_host}",
        "REDIS_CACHE_PORT": "{redis_port}",
        "CELERY_BROKER_URL": "{redis_url}/2",
        "VALKEY_DSN": "{redis_url}",
        "SMTP_HOST": "{smtp_host}",
        "SMTP_PORT": "{smtp_port}",
        "SMTP_TLS": "false",
        "MAIL_STARTTLS": "false",
        "S3_BUCKET_NAME": "{bucket}",
        "AWS_REGION": "{bucket_region}",
    }
    named = ("redis", "mailcatcher", "compose builds web")
    assert not any(one in remark for remark in proposal.remarks for one in named)
    assert any("MONGO_URL" in remark for remark in proposal.remarks)


def test_mail_that_nothing_configures_is_no_need(tmp_path: Path) -> None:
    settings = (
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        "    database_url: str\n    redis_enabled: bool = False\n"
        "    email_from: str = 'a@example.com'\n"
    )
    app, _ = proposed(repository(tmp_path, app__settings_DOT_py=settings))
    assert app.needs.declared == frozenset()


def test_folders_that_the_app_writes_to_are_scratch(tmp_path: Path) -> None:
    settings = (
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        "    database_url: str\n    storage_local_path: str = 'var/storage'\n"
        "    log_dir: str = '/var/log/app'\n    media_root: str = './kept'\n"
        "    api_path: str = '/api'\n    static_dir: str = 'https://cdn.example.com'\n"
        "    upload_dir: str = '../outside'\n"
    )
    compose = """
services:
  api:
    build: .
    volumes: [".:/app", "files:/srv/files", "/etc/localtime:/etc/localtime", "/app/.venv"]
  db: { image: postgres, volumes: ["data:/var/lib/postgresql"] }
"""
    repository(tmp_path, app__settings_DOT_py=settings)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/picture.png").write_bytes(b"")
    (tmp_path / "compose.yaml").write_text(compose)
    app, _ = proposed(tmp_path)
    assert app.service.scratch == ("/tmp", "/srv/files", "/app/var/storage", "/var/log/app")


@pytest.mark.parametrize(
    ("copied", "remarked"), [("/app/.venv /app/.venv", True), ("/app /app", False)]
)
def test_an_image_of_a_virtual_environment_alone_has_no_migrations(
    copied: str, *, remarked: bool, tmp_path: Path
) -> None:
    dockerfile = (
        "FROM python:3.13-slim AS builder\nWORKDIR /app\nCOPY . .\n"
        f"FROM python:3.13-slim\nWORKDIR /code\nCOPY --from=builder {copied}\n"
        'CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0"]\n'
    )
    _, proposal = proposed(repository(tmp_path, Dockerfile=dockerfile))
    found = [one for one in proposal.remarks if "does not copy alembic.ini" in one]
    assert bool(found) is remarked


def test_a_value_of_the_repository_has_no_placeholder(tmp_path: Path) -> None:
    settings = (
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n"
        "    greeting: str\n    shape: str\n    asked: str\n"
    )
    repository(
        tmp_path,
        app__settings_DOT_py=settings,
        _DOT_env_DOT_example="GREETING='{hello} {host} $(x)'\nSHAPE='{\"a\": {}}'\n",
    )
    answers = {"ASKED": "{host} or {nowhere}"}
    proposal = propose(
        read_repository(tmp_path, lambda *_: ""),
        lambda question, given: answers.get(question.partition(" ")[0], given),
    )
    variables = parse_app(Path("preview.yaml"), proposal.text.encode()).service.environment
    assert fill(variables["GREETING"], {}) == "{hello} {host} $(x)"
    assert fill(variables["SHAPE"], {}) == '{"a": {}}'
    assert fill(variables["ASKED"], {}) == "{host} or {nowhere}"


def test_values_of_compose_are_what_they_were_written_as(tmp_path: Path) -> None:
    compose = """
services:
  api:
    build: {context: ., args: {PYTHON_VERSION: 3.10, UMASK: 0022, RELEASED: 2024-02-30}}
"""
    repository(tmp_path)
    (tmp_path / "compose.yaml").write_text(compose)
    for number, text in enumerate(("services: [a]", "a: {{x}}", "- 1", "a: 0x_", "[" * 3000)):
        (tmp_path / f"compose.{number}.yaml").write_text(text)
    args = read_repository(tmp_path, lambda *_: "").build.args
    assert args == {"PYTHON_VERSION": "3.10", "UMASK": "0022", "RELEASED": "2024-02-30"}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('A="x \\" y" B=z\\ w', [("A", 'x \\" y'), ("B", "z\\ w")]),
        ("A='x y' B C=", [("A", "x y"), ("C", "")]),
        # Each backslash that begins no pair doubled the time.
        ('A="' + "\\" * 4001, [("A", "")]),
        ("a" * 100_000, []),
    ],
)
def test_variables_of_an_image_are_read_in_no_time(text: str, pairs: list[tuple[str, str]]) -> None:
    began = time.process_time()
    found = Instruction("ENV", text, 1).pairs
    assert time.process_time() - began < 1
    assert [one for one in found if one[0] in {"A", "B", "C"}] == pairs
