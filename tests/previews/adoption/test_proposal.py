"""What is proposed for how apps are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from contract.app.model import App
from contract.app.read import parse_app
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


def test_a_script_that_seeds_is_remarked(tmp_path: Path) -> None:
    repository(tmp_path)
    (tmp_path / "prestart.sh").write_text("alembic upgrade head\npython app/seed.py\n")
    _, proposal = proposed(tmp_path)
    assert any("prestart.sh runs `python app/seed.py`" in remark for remark in proposal.remarks)


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
        + "class S(BaseSettings):\n    db_url: str\n    redis_url: str\n",
    )
    (tmp_path / "compose.yml").write_text(
        "services:\n  cache: {image: redis:8}\n  db: {image: postgres:18}\n"
        "  jobs: {build: ., command: celery -A app.tasks worker}\n"
    )
    app, proposal = proposed(tmp_path)
    remarks = "\n".join(proposal.remarks)
    assert "REDIS_URL (app/settings.py:5): a preview has no Redis" in remarks
    assert "compose runs cache (redis:8)" in remarks
    assert "db" not in remarks.replace("redis", "")
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
