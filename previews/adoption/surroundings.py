"""Needs of an app beside its image: workers, hosts, PostgreSQL's extensions."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeGuard

import yaml

from previews.adoption.source import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from previews.adoption.repository import Repository

_EXTENSIONS = (
    (r"uuid_generate_v\d", "uuid-ossp"),
    (r"gin_trgm_ops|pg_trgm", "pg_trgm"),
    (r"\bunaccent\(", "unaccent"),
)
_CREATED = re.compile(
    r"create\s+extension\s+(?:if\s+not\s+exists\s+)?[\"']?([a-z][\w-]*)", re.IGNORECASE
)
_HOSTS = {
    "stripe": "api.stripe.com",
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "sendgrid": "api.sendgrid.com",
    "twilio": "api.twilio.com",
}
_SERVERS = re.compile(r"\b(uvicorn|gunicorn|hypercorn|granian)\b|\b(main|server|app)(\.py)?$")
_UPGRADES = re.compile(r"(\w+ run )?alembic\b.*\bupgrade\b")
_NAMED = re.compile(r"\w[\w.-]*:/[^:]+")
_WRITTEN = re.compile(
    r"(storage|upload|media|logs?|cache|static|data|files)(_\w+)?_(path|dir|directory|folder|root)$",
    re.IGNORECASE,
)
_FOLDER = re.compile(r"(\./|/)?[\w-][\w-]*(/[\w-]+)*/?")
_NEEDLESS = r"postg|adminer|pgadmin|traefik|nginx|mailcatcher|mailpit|redisinsight"
_IMAGES = {"redis": "redis|valkey", "mail": "mail", "bucket": "minio|localstack"}
_WORKERS = re.compile(r"\b(celery|arq|dramatiq|taskiq|rq|huey)\b")


def scalar(value: str) -> str:
    """Write a text of YAML; in quotes wherever YAML could read something else."""
    plain = re.fullmatch(r"[A-Za-z][\w./ -]*", value) and value == value.strip()
    if plain and isinstance(yaml.safe_load(value), str):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"' if "'" in value or "\n" in value or '"' not in value else f"'{value}'"


def flow(words: tuple[str, ...]) -> str:
    """Write words as a list on one line."""
    return "[" + ", ".join(f'"{word}"' if '"' not in word else scalar(word) for word in words) + "]"


def workers(repository: Repository, needs: Sequence[str], remarks: list[str]) -> list[str]:
    """Propose the processes that compose runs from a build of the app's own context."""
    lines: list[str] = []
    known = "|".join((_NEEDLESS, *(_IMAGES[need] for need in needs)))
    for name, service in repository.services.items():
        command = service.get("command")
        words = command if isinstance(command, list) else str(command or "").split()
        text = " ".join(map(str, words))
        image = str(service.get("image") or "")
        label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30]
        if _WORKERS.search(text) and "build" in service and not re.search(r"[$;&|]|flower", text):
            lines += [
                f"{label}:",
                f"  command: {flow(tuple(map(str, words)))}  # review: compose's {name}",
            ]
        elif "build" in service and service["build"] == repository.build.composed:
            continue  # The app itself.
        elif "build" in service and re.search(r"front|web|ui|client", name, re.IGNORECASE):
            remarks.append(
                f"compose builds {name} too; `web.{label}` can deploy it on the same host"
            )
        elif image and "build" not in service and not re.search(known, image):
            remarks.append(f"compose runs {name} ({image}); a preview has none")
    return lines


def scratch(repository: Repository) -> list[str]:
    """Return the folders that the app writes to: compose's volumes, and those of its settings.

    A folder of which the image has files is left out, since a scratch folder would hide them.
    """
    build, workdir = repository.build, PurePosixPath(repository.started.folder)
    found: list[PurePosixPath] = []
    for service in repository.services.values():
        if "build" in service and service["build"] == build.composed:
            given = service.get("volumes")
            volumes = [one for one in given if isinstance(one, str)] if _is_list(given) else []
            found += [PurePosixPath(one.split(":")[1]) for one in volumes if _NAMED.match(one)]
    for variable in repository.variables.values():
        if _WRITTEN.search(variable.name) and _FOLDER.fullmatch(variable.default):
            found.append(workdir / variable.default)
    context = repository.root / build.context
    kept: list[PurePosixPath] = []
    for one in dict.fromkeys(found):
        inside = one.relative_to(workdir) if one.is_relative_to(workdir) else None
        files = (context / inside).rglob("*") if inside is not None else ()
        known = any(one.is_relative_to(other) for other in kept) or one == workdir
        if not known and not any(file.is_file() and file.name[0] != "." for file in files):
            kept.append(one)
    return [str(one) for one in kept[:7]]


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def seeds(repository: Repository) -> Iterator[tuple[str, str]]:
    """Yield the script and the command of each program that a script runs after migrating."""
    for path in sorted((repository.root / repository.folder).rglob("*.sh")):
        text = read_text(repository.root, path) or ""
        parts = [part.strip() for line in text.splitlines() for part in line.split("&&")]
        migrated = [number for number, part in enumerate(parts) if _UPGRADES.match(part)]
        after = parts[migrated[-1] + 1 :] if migrated and "test" not in path.name else []
        for part in after:
            if re.match(r"python3? [\w./ -]+$", part) and not _SERVERS.search(part):
                yield str(path.relative_to(repository.root)), part


def egress(repository: Repository) -> list[str]:
    """Suggest, as a comment, the hosts of libraries; to open them is a decision of a person."""
    hosts = [host for word, host in _HOSTS.items() if word in repository.dependencies]
    if not hosts:
        return []
    named = ", ".join(f"{{ host: {host} }}" for host in hosts)
    return [
        "# Nothing outside of the cluster is reachable. A library of the app suggests:",
        f"# egress: [{named}]",
    ]


def extensions(repository: Repository) -> Iterator[str]:
    """Yield the extensions that the source creates or uses."""
    found = set[str]()
    for module in repository.source.own:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {name.lower() for name in _CREATED.findall(node.value)}
                found |= {name for pattern, name in _EXTENSIONS if re.search(pattern, node.value)}
            elif isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                found |= (
                    {"citext"} if name == "CITEXT" else {"hstore"} if name == "HSTORE" else set()
                )
    yield from found - {"plpgsql"}
