"""The schema of a migrated database: a document of the data room, or read by its command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, unquote, urlsplit

import typer
from pydantic import ValidationError

from contract.schema import DatabaseSchema
from previews.errors import PreviewsError
from previews.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND = "python -m database.schema"
_SECONDS = 120

SchemaOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="Schema of the migrated database: what `python -m database.schema` printed, or the"
        " database's URL.",
    ),
]


def read_schema(source: str) -> DatabaseSchema:
    """Return the schema of a migrated database.

    Args:
        source: Path of a document of `python -m database.schema`, `-` for standard input, or the
            URL of the database, also as SQLAlchemy writes it.

    Raises:
        PreviewsError: The document or the database can't be read.
    """
    if "://" in source:
        return schema_of_database(_login(source))
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _unreadable(source, f"it can't be read: {why}") from error
    return _parsed(source, text)


def schema_of_database(login: Mapping[str, str]) -> DatabaseSchema:
    """Return the schema of a database that can be reached from here.

    Args:
        login: Variables `DATABASE_HOST`, `DATABASE_NAME`, `DATABASE_USER` and so on.

    Raises:
        PreviewsError: It can't be reached, or refuses the login.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("DATABASE_")}
    what = f"database {login.get('DATABASE_NAME')} on {login.get('DATABASE_HOST')}"
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "database.schema"],
            cwd=PROJECT_ROOT,
            env={**inherited, **login},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreadable(what, f"its schema was not read within {_SECONDS} s") from error
    if ended.returncode:
        raise _unreadable(what, " ".join(ended.stderr.split())[-1000:])
    return _parsed(what, ended.stdout)


def _login(url: str) -> dict[str, str]:
    """Return the variables of the data room for a URL, whose driver doesn't matter."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        # The error's own message may quote a part of the password.
        why = "it can't be read; `%40` stands for @ in a password, `%2F` for /"
        raise _unreadable("the database's URL", why) from None
    if parts.scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise _unreadable(f"{parts.scheme}://…", "only a URL of PostgreSQL has a schema")
    query = parse_qs(parts.query)
    given = (query.get("sslmode") or query.get("ssl") or ["prefer"])[0]
    return {
        "DATABASE_HOST": unquote(parts.hostname or (query.get("host") or ["localhost"])[0]),
        "DATABASE_PORT": str(port),
        "DATABASE_NAME": unquote(parts.path.removeprefix("/")) or "postgres",
        "DATABASE_USER": unquote(parts.username or "postgres"),
        "DATABASE_PASSWORD": unquote(parts.password or os.environ.get("PGPASSWORD", "")),
        "DATABASE_SSLMODE": "require" if given.lower() == "true" else given,
    }


def _parsed(what: str, text: str) -> DatabaseSchema:
    try:
        return DatabaseSchema.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise _unreadable(what, f"{place}: {first['msg']}") from error


def _unreadable(what: str, why: str) -> PreviewsError:
    return PreviewsError(
        "adopt-schema",
        what,
        why=why,
        remedy=f"pass the URL of a migrated database, or a file that `{_COMMAND}` of this version"
        " wrote",
    )
