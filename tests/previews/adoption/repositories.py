"""Small repositories to adopt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
USER 10001
EXPOSE 8000
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
MAIN = """\
from fastapi import FastAPI

from app.items import router

app = FastAPI()
app.include_router(router, prefix="/api")


@app.get("/health")
def health() -> dict[str, str]:
    return {}
"""
ITEMS = """\
from fastapi import APIRouter

router = APIRouter(prefix="/items")


@router.get("/{item_id}")
def item(item_id: int) -> int:
    return item_id
"""
SETTINGS = """\
from pydantic import SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    database_url: str
    secret_key: SecretStr
    page_size: int = 20
"""
ALEMBIC = "[alembic]\nscript_location = migrations\n"
ENV = """\
from alembic import context

from app.settings import Settings

context.config.set_main_option("sqlalchemy.url", Settings().database_url)
"""
REVISION = '''\
"""first"""
import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(200), nullable=False),
        sa.Column("hashed_password", sa.String(200)),
        sa.Column("fax", sa.String(20)),
        sa.Column("salary", sa.Numeric()),
        sa.Column("born_on", sa.Date()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table("tags", sa.Column("tag", sa.Text(), primary_key=True))
    op.create_table("old", sa.Column("id", sa.Integer()))
'''
SECOND = '''\
"""second"""
import sqlalchemy as sa
from alembic import op

revision = "b2"
down_revision = "a1"


def upgrade() -> None:
    op.drop_table("old")
    op.add_column("users", sa.Column("full_name", sa.String()))
    with op.batch_alter_table("users") as batch:
        batch.alter_column("fax", new_column_name="phone")
    op.execute("CREATE EXTENSION IF NOT EXISTS citext")
    op.execute("CREATE TABLE raw (id int)")
'''
ORDERS = {
    "Dockerfile": DOCKERFILE,
    "requirements.txt": "fastapi\nsqlalchemy\nasyncpg\n",
    "pyproject.toml": '[project]\nname = "orders"\n',
    "app/__init__.py": "",
    "app/main.py": MAIN,
    "app/items.py": ITEMS,
    "app/settings.py": SETTINGS,
    "alembic.ini": ALEMBIC,
    "migrations/env.py": ENV,
    "migrations/versions/b2_second.py": SECOND,
    "migrations/versions/a1_first.py": REVISION,
}


def repository(folder: Path, files: Mapping[str, str] = ORDERS, **changed: str | None) -> Path:
    """Write a repository; a keyword changes the file of that name, ``__`` for a slash."""
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    for name, content in changed.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content.encode())
    return folder
