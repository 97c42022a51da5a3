"""docs/preview-yaml.md, written from the model of ``preview.yaml``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from contract.app.containers import Container, Web
from contract.app.model import App
from contract.app.placeholders import PLACEHOLDERS

_HEAD = """\
# preview.yaml

What an app is, for all that builds, runs and tests its previews: one file in the app's folder.
Without any key it describes an app on port 8000 with the route `/health`, which reads
`DATABASE_URL`. `previews adopt` [drafts it](adopting.md), and `previews app check` compares it with
the repository.

Unknown keys are refused. Paths are relative to the file's folder and stay within the git
repository. Editors complete and check the file with [the JSON Schema](preview.schema.json). This
page is written by `make docs` from `contract/app/`.

Where a text is wanted, a value is the text that was written, with or without quotes: `3.10`,
`0022`, `1:30`, `no`. A value that begins with a brace needs quotes: `"{host}"`. Where a number is
wanted, it is in decimal digits; in the JSON of `smoke`, as JSON has it.

```yaml
app: orders
service:
  port: 8000
  health: /health
  environment:
    DATABASE_URL: "postgresql://{user}:{password}@{host}:{port}/{name}?{tls}"
secrets:
  SECRET_KEY: generate
database:
  migrate: alembic upgrade head
```

## Keys

`<name>` stands for a name of your own.
"""
_TAIL = """\
## How apps name their database

SQLAlchemy with psycopg2, or psycopg's and libpq's own URL:

```yaml
service:
  environment:
    DATABASE_URL: "postgresql://{user}:{password}@{host}:{port}/{name}?{tls}"
```

SQLAlchemy with psycopg 3:

```yaml
service:
  environment:
    DATABASE_URL: "postgresql+psycopg://{user}:{password}@{host}:{port}/{name}?{tls}"
```

SQLAlchemy with asyncpg, whose URLs have `ssl=` in place of `sslmode=`, which `{tls}` follows:

```yaml
service:
  environment:
    DATABASE_URL: "postgresql+asyncpg://{user}:{password}@{host}:{port}/{name}?{tls}"
```

Separate settings. `PGSSLMODE` is read by libpq and asyncpg themselves:

```yaml
service:
  environment:
    POSTGRES_SERVER: "{host}"
    POSTGRES_PORT: "{port}"
    POSTGRES_USER: "{user}"
    POSTGRES_PASSWORD: "{password}"
    POSTGRES_DB: "{name}"
    PGSSLMODE: "{sslmode}"
```

With `verify-full`, the platform's default, the server is proven by Amazon's authorities. The
platform puts them into each container and their path into `PGSSLROOTCERT`, which libpq and asyncpg
read; a driver that doesn't gets the path by `{ca_file}`. The platform's `previews:database.sslMode:
require` encrypts without proving the server.

## An app in a monorepo

The file is in the app's folder, and the build gets the whole repository:

```yaml
# backend/preview.yaml
app: orders
image:
  context: ..
  dockerfile: Dockerfile
```
"""
_READING = """\
In every `environment`; that of `tests` has only those that it lists. `{{` and `}}` stand for
braces. A value is read from the left, and a placeholder ends at its first brace: `{{{user}}}`
is the role's name in braces, and JSON is `'{{"port": {port}}}'`.

Nothing else of a value is replaced, nor anything of a command: `$$`, `$(date)` and `${HOME}` reach
the container, or the shell of `sh -c`, as they were written.
"""
_SHARED: dict[str, tuple[type[BaseModel], list[str]]] = {
    "workers.<name>": (Container, ["It has `service`'s keys `user` to `memory`, and these.\n"]),
    "web.<name>": (Web, ["It has all keys of `service`, and these.\n"]),
}


def document() -> str:
    """Return the document."""
    parts = [_HEAD]
    for path, model in _models("", App):
        title = f"### `{path}`\n" if path else "### At the top\n"
        shared, named = _SHARED.get(path, (None, []))
        rows = [
            _row(name, field)
            for name, field in _fields(model)
            if shared is None or name not in shared.model_fields
        ]
        parts.append(
            "\n".join([title, *named, "| key | default | meaning |", "|---|---|---|", *rows, ""])
        )
    rows = [f"| `{{{name}}}` | {meaning} |" for name, meaning in PLACEHOLDERS.items()]
    parts.append(
        f"## Placeholders\n\n{_READING}\n"
        + "\n".join(["| placeholder | value |", "|---|---|", *rows])
        + "\n"
    )
    return "\n".join([*parts, _TAIL])


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the models of the file with the keys that lead to them, outer ones first."""
    yield path, model
    for name, field in _fields(model):
        inner = next(_inside(field.annotation), None)
        if inner is not None:
            middle = ".<name>" if get_origin(field.annotation) is dict else ""
            many = "[]" if get_origin(field.annotation) is tuple else ""
            below = ".".join(part for part in (path, f"{name}{middle}{many}") if part)
            if not path.startswith("web"):  # Its parts are described above.
                yield from _models(below, inner)


def _inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _inside(inner)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _row(name: str, field: FieldInfo) -> str:
    nested = isinstance(field.default, BaseModel) and name != "health"
    default = "required" if field.is_required() else "" if nested else _shown(field.default)
    example = "" if nested or not field.examples else _shown(field.examples[0])
    meaning = str(field.description) + (
        f"; such as {example}" if example not in {"", default} else ""
    )
    return f"| `{name}` | {default} | {meaning.replace('|', chr(92) + '|')} |"


def _shown(value: Any) -> str:
    """Return a value as YAML on one line; nothing for an empty one."""
    plain = (
        value.model_dump(mode="json")
        if isinstance(value, BaseModel)
        else json.loads(json.dumps(value))
    )
    if plain in (None, "", [], {}):
        return ""
    if isinstance(plain, dict) and len(set(map(str, plain.values()))) == 1 and len(plain) > 1:
        plain = next(iter(plain.values()))
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000, sort_keys=False)
    return f"`{text.removesuffix(chr(10)).removesuffix('...').strip()}`"
