"""Comparison of ``preview.yaml`` with the repository, without building or making anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from rich.markup import escape

from contract.app.model import FILE, App
from contract.app.placeholders import literals, placeholders
from contract.app.read import AppFileError, read_app
from previews.adoption.dockerfile import has_secret_name, parse, started
from previews.adoption.migrations import find_alembic
from previews.adoption.process import process_of
from previews.adoption.repository import git_root
from previews.adoption.routes import app_objects, read_routes
from previews.adoption.scrub_draft import draft_of_schema
from previews.adoption.scrub_file import lacking, open_rules, read_rules, superfluous
from previews.adoption.source import read_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contract.app.containers import Image, Web
    from contract.schema import DatabaseSchema
    from previews.adoption.dockerfile import Dockerfile

_SAVED = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Problem(BaseModel):
    """A problem of an app's description.

    Attributes:
        where: File, and its line if there is one.
        what: The finding, and what was expected.
        remedy: Instruction for the reader.
    """

    model_config = ConfigDict(frozen=True)

    where: str
    what: str
    remedy: str


class Report(BaseModel):
    """The result of a check; ``notes`` are worth knowing, and no error."""

    model_config = ConfigDict(frozen=True)

    app: str
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    def text(self) -> str:
        """Return the report for people, in rich's markup."""
        lines = []
        for mark, problems in (("[red]✗[/]", self.problems), ("[yellow]![/]", self.notes)):
            for one in problems:
                lines += [f"{mark} {escape(f'{one.where}: {one.what}')}"]
                lines += [f"  {escape(line)}" for line in one.remedy.splitlines()]
        if not self.problems:
            lines.append("[green]✓[/] preview.yaml fits the repository")
        return "\n".join(lines)


def check(folder: Path, schema: DatabaseSchema | None = None) -> Report:
    """Check a folder's ``preview.yaml`` against the repository that it is in.

    Args:
        folder: The app's folder.
        schema: The schema of its migrated database, whose columns all need a rule of the scrub.

    Raises:
        PreviewsError: There is no such folder, or it is in no git repository.
    """
    root = git_root(folder)
    try:
        app = read_app(folder)
    except AppFileError as error:
        remedy = (
            f"write this, with your own values:\n{error.snippet}"
            if error.snippet
            else ("correct it; docs/preview-yaml.md of the platform has every key")
        )
        problems = [Problem(where=FILE, what=what, remedy=remedy) for what in error.problems]
        return Report(app="", problems=tuple(problems), notes=())
    checker = _Checker(root, folder.resolve(), app, schema)
    checker.run()
    return Report(app=app.app, problems=tuple(checker.problems), notes=tuple(checker.notes))


class _Checker:
    def __init__(self, root: Path, folder: Path, app: App, schema: DatabaseSchema | None) -> None:
        self._root, self._folder, self._app, self._schema = root, folder, app, schema
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []

    def run(self) -> None:
        app = self._app
        self._image("image", app.image, app.service)
        for name, web in app.web.items():
            self._image(f"web.{name}.image", web.image, web)
        self._scrub()
        if app.openapi is not None:
            self._path("openapi.file", app.openapi.file, "file")
        if app.tests is not None:
            self._path("tests.folder", app.tests.folder, "folder")
        for key, environment in self._environments():
            self._plain_secrets(key, environment)
        self._alembic()
        self._health()
        self._smoke()

    def _wrong(self, where: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(where=where, what=what, remedy=remedy))

    def _note(self, where: str, what: str, remedy: str) -> None:
        self.notes.append(Problem(where=where, what=what, remedy=remedy))

    def _path(self, key: str, value: str, kind: str) -> Path | None:
        """Return the path that a key names, if it is there; `read_app` refuses one outside."""
        path = self._folder / value
        where = f"{FILE}, {key}"
        if not (path.is_dir() if kind == "folder" else path.is_file()):
            self._wrong(
                where,
                f"there is no {kind} {value}",
                f"create it, or correct `{key}`; it is relative to the folder of {FILE}",
            )
        else:
            return path
        return None

    def _image(self, key: str, image: Image, web: Web) -> None:
        context = self._path(f"{key}.context", image.context, "folder")
        path = self._path(f"{key}.dockerfile", image.dockerfile, "file")
        if path is None:
            return
        dockerfile = parse(path.read_text(errors="replace"))
        if not dockerfile.stages:
            self._wrong(image.dockerfile, "it has no FROM", "begin a stage with FROM")
            return
        self._arguments(key, image, dockerfile)
        final = dockerfile.final(image.target)
        if final is None:
            names = ", ".join(stage.name for stage in dockerfile.stages if stage.name) or "none"
            self._wrong(
                f"{FILE}, {key}.target",
                f"{image.dockerfile} has no stage {image.target}; it names {names}",
                f"name one of them, or remove `{key}.target` to build the last",
            )
            return
        begin = started(final)
        self._port(key, image, web, begin.ports)
        self._user(image, web, begin.user)
        process = process_of(begin, context or path.parent)
        if web.command is None and not begin.command and not begin.entrypoint:
            self._wrong(
                image.dockerfile,
                "it has neither CMD nor ENTRYPOINT",
                f"add one, or set `{key.rpartition('image')[0] or 'service.'}command`",
            )
        if web.command is None and process.listens_locally:
            self._wrong(
                image.dockerfile,
                f"`{' '.join(process.words)}` listens inside of its container alone",
                "add `--host 0.0.0.0`",
            )
        if web.command is None and process.migrates:
            self._note(
                process.script or image.dockerfile,
                "what the image starts migrates the database, which every pod would do at once",
                "set `service.command` to the server alone; the Job runs `database.migrate`",
            )
        if process.script and b"\r\n" in ((context or path.parent) / process.script).read_bytes():
            self._wrong(
                process.script,
                "it has Windows line ends, with which Linux can't start it",
                "convert it, and write `*.sh text eol=lf` into .gitattributes",
            )

    def _arguments(self, key: str, image: Image, dockerfile: Dockerfile) -> None:
        for name in sorted(image.args.keys() - dockerfile.arguments):
            self._wrong(
                f"{FILE}, {key}.args",
                f"{image.dockerfile} declares no ARG {name}",
                f"add `ARG {name}` to the stage that uses it, or remove it here",
            )
        for instruction, name in dockerfile.secrets():
            self._wrong(
                f"{image.dockerfile} line {instruction.line}",
                f"{instruction.name} {name} is a secret, which anybody reads who has the image",
                f"remove it there, revoke it if it was real, and write:\nsecrets:\n  {name}:"
                " generate",
            )

    def _port(self, key: str, image: Image, web: Web, exposed: tuple[int, ...]) -> None:
        if exposed and web.port not in exposed and web.command is None:
            owner = key.removesuffix("image").removesuffix(".") or "service"
            self._wrong(
                f"{FILE}, {owner}.port",
                f"it is {web.port}, and {image.dockerfile} exposes {', '.join(map(str, exposed))}",
                f"set `{owner}.port` to the port that the app listens on",
            )

    def _user(self, image: Image, web: Web, user: str) -> None:
        if user in {"", "0", "root"}:
            self._note(
                image.dockerfile,
                f"its last stage has no USER; a preview runs it as {web.user}, never as root",
                f"add `USER {web.user}`, so that it is tested as that everywhere",
            )
        elif user.isdecimal() and int(user) != web.user:
            self._note(
                image.dockerfile,
                f"USER is {user}, and a preview runs it as {web.user}",
                f"set `user: {user}` if it has to read files of that user alone",
            )

    def _scrub(self) -> None:
        path = self._path("database.scrub", self._app.database.scrub, "file")
        if path is None:
            return
        text = path.read_text(errors="replace")
        count = open_rules(text)
        if count is not None:
            self._wrong(
                self._app.database.scrub,
                "it is a draft, which no scrub accepts"
                + (f"; columns without a rule: {count}" if count else ""),
                "check every line against the data, replace each `how: review`, and remove"
                " `reviewed: false`",
            )
        try:
            rules = read_rules(path.read_bytes())
        except ValueError as error:
            self._wrong(
                self._app.database.scrub, f"it can't be read: {error}", "correct it (docs/scrub.md)"
            )
            return
        if self._schema is not None:
            self._against(self._schema, rules)

    def _against(self, schema: DatabaseSchema, rules: Mapping[str, Any]) -> None:
        """Compare the rules of the scrub with the migrated schema."""
        where = self._app.database.scrub
        draft = draft_of_schema(schema)
        missing = [".".join(place) for place in lacking(rules, draft)]
        if missing:
            self._wrong(
                where,
                f"columns of the migrated schema have no rule: {', '.join(missing)}",
                "run `previews adopt` with the same --schema, which adds a line for each",
            )
        gone = list(superfluous(rules, draft))
        if gone:
            self._note(
                where,
                f"it has rules for what the migrated schema lacks: {', '.join(gone)}",
                "remove them, or mark them `leaving: true` while a snapshot has them",
            )

    def _environments(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        yield "service.environment", self._app.service.environment
        for name, worker in self._app.workers.items():
            yield f"workers.{name}.environment", worker.environment
        for name, web in self._app.web.items():
            yield f"web.{name}.environment", web.environment

    def _plain_secrets(self, key: str, environment: Mapping[str, str]) -> None:
        for name, value in environment.items():
            literal = literals(value)
            in_url = re.search(r"://[^\s/:@{]*:[^\s/@{]+@", value) is not None
            if in_url or (has_secret_name(name) and (literal or not placeholders(value)) and value):
                self._wrong(
                    f"{FILE}, {key}.{name}",
                    "a secret stands in plain text",
                    "remove it, revoke it if it was real, and write:\n"
                    f"secrets:\n  {name}: generate",
                )

    def _alembic(self) -> None:
        command = self._app.database.migrate
        if command is None or not any(word.rpartition("/")[2] == "alembic" for word in command):
            return
        found = find_alembic(self._root, self._folder.relative_to(self._root))
        if found is not None and found.fixed_url is not None:
            line = f" line {found.fixed_url}" if found.fixed_url else ""
            self._wrong(
                f"{found.ini}{line}",
                "Alembic has no database URL from the environment, so it can't reach a preview's"
                " database",
                f"in {found.scripts}/env.py, after `config = context.config`, write:\n"
                'config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"].replace("%",'
                ' "%%"))',
            )

    def _health(self) -> None:
        source = read_source(self._root, self._root)
        source.scope = self._folder.relative_to(self._root)
        objects = [one for one in app_objects(source) if one.module in source.own]
        if len(objects) != 1:
            return  # Which of several runs, only the image knows.
        routes = read_routes(source, objects[0])
        health = self._app.service.health
        for path in sorted({health.live, health.ready}):
            if routes.leads(path):
                continue
            near = [one for one in routes.plain if one.rstrip("/") == path.rstrip("/")]
            said = f"; there is {near[0]}" if near else ""
            known = ", ".join(routes.plain[:8]) or "none"
            if routes.unread or routes.openapi is None:
                self._note(
                    f"{FILE}, service.health",
                    f"GET {path} is not among the routes that can be read{said}",
                    f"make sure that it answers; not readable: {', '.join(routes.unread[:5])}",
                )
            else:
                self._wrong(
                    f"{FILE}, service.health",
                    f"no route answers GET {path}{said}",
                    f"add one to {objects[0].module.path}, or name one that is there: {known}",
                )

    def _smoke(self) -> None:
        saved = {"unique"}
        for number, one in enumerate(self._app.smoke):
            used = {
                name
                for text in _texts([one.path, one.headers, one.json_body, one.form, one.expect])
                for name in _SAVED.findall(text)
            }
            for name in sorted(used - saved):
                self._wrong(
                    f"{FILE}, smoke.{number}",
                    f"{one.request}: no earlier request saves {{{name}}}",
                    f"add `save: {{ {name}: <path in the response> }}` to an earlier one",
                )
            saved |= one.save.keys()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        # Names of keys are no texts to fill.
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
