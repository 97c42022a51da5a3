"""Reader of ``preview.yaml``, whose errors name the line and show the YAML to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from contract.app.model import FILE, App, NeedMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_LARGEST = 256 * 1024
_NOT_OF_JSON = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("binary", "omap", "pairs", "set", "timestamp")
)
_LocPart = str | int


class AppFileError(ValueError):
    """A ``preview.yaml`` that is missing or wrong.

    Attributes:
        file: Path of the file, as the reader was given it.
        problems: What is wrong, a line each, with the number of the line in the file.
        snippet: YAML to write instead; empty where there is only something to remove.
    """

    def __init__(self, file: Path, problems: Sequence[str], snippet: str = "") -> None:
        self.file = file
        self.problems = tuple(problems)
        self.snippet = snippet
        super().__init__(f"{file}: {'; '.join(problems)}")


def read_app(folder: Path) -> App:
    """Return the app that a folder's ``preview.yaml`` describes.

    Raises:
        AppFileError: The file is missing, is no YAML or not valid, or names a path outside of the
            git repository, whose files a pull request must not get into an image.
    """
    file = folder / FILE
    try:
        text = file.read_bytes()[: _LARGEST + 1]
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise AppFileError(file, [reason], "app: orders") from error
    if len(text) > _LARGEST:
        raise AppFileError(file, [f"it is larger than {_LARGEST // 1024} KiB"])
    app = parse_app(file, text)
    outside = [
        f"{key}: {value} leads out of the git repository, also by a link"
        for key, value in _files(app)
        if not is_inside(repository_root(folder), folder / value)
    ]
    if outside:
        raise AppFileError(file, outside)
    return app


def repository_root(folder: Path) -> Path:
    """Return the root of the git repository that a folder is in; outside of any, the folder."""
    folder = folder.resolve()
    roots = (one for one in (folder, *folder.parents) if (one / ".git").exists())
    return next(roots, folder)


def is_inside(root: Path, path: Path) -> bool:
    """Return True if a path is within a folder, wherever its links lead."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # Links in a circle.
        return False


def _files(app: App) -> Iterator[tuple[str, str]]:
    """Yield each key that names a file or a folder of the repository, with its value."""
    further = {f"web.{name}.image": web.image for name, web in app.web.items()}
    for key, image in {"image": app.image, **further}.items():
        yield f"{key}.context", image.context
        yield f"{key}.dockerfile", image.dockerfile
        for glob in image.paths:
            # A glob is outside where the part before its first wildcard is.
            yield f"{key}.paths", re.split(r"[^/]*[*?]", glob, maxsplit=1)[0] or "."
    yield "database.scrub", app.database.scrub
    staging = app.sandbox.staging
    optional = {
        "sandbox.staging.sql": staging.sql,
        "sandbox.staging.dump": staging.dump,
        "openapi.file": None if app.openapi is None else app.openapi.file,
        "tests.folder": None if app.tests is None else app.tests.folder,
        "tests.report": None if app.tests is None else app.tests.report,
    }
    for key, value in optional.items():
        if value is not None:
            yield key, value


def parse_app(file: Path, text: bytes) -> App:
    """Return the app that a text describes.

    Args:
        file: Path for the messages.
        text: Content, UTF-8 with or without a byte order mark.

    Raises:
        AppFileError: It is no YAML, or it is not valid.
    """
    try:
        node = yaml.compose(text, Loader=_StrictLoader)
        loader = _StrictLoader(text)
        content = loader.get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise AppFileError(file, [_yaml_problem(error)]) from error
    if content is None:
        content = {}
    try:
        return App.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [f"line {_line(node, _place(d))}: {_problem(d)}" for d in details]
        raise AppFileError(file, problems, _snippet(details)) from error


class _StrictLoader(yaml.SafeLoader):
    """A loader that refuses duplicate keys and aliases, of which an attacker builds bombs.

    Its values are those of JSON, which a request of the smoke test sends and compares: a date stays
    text as it is written.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the stubs declare it of an instance
        first: [(tag, form) for tag, form in resolvers if tag not in _NOT_OF_JSON]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar[Any] = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag not in _NOT_OF_JSON
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = cast("Any", self).peek_event()
            problem = "an alias is not allowed"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{key.value!r} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    return f"{where}it is not valid YAML ({' '.join(str(problem).split())})"


def _line(node: yaml.Node | None, loc: tuple[_LocPart, ...]) -> int:
    """Return the number of the line of the deepest part of a path that the file has."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                break
            line, node = _first_line(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            item = cast("yaml.Node", node.value[part])
            line, node = _first_line(item), item
        else:
            break
    return line


def _first_line(node: yaml.Node) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def _place(detail: ErrorDetails) -> tuple[_LocPart, ...]:
    """Return the path of the value that an error is about."""
    missing = _missing(detail)
    return detail["loc"] if missing is None else missing.at


def _missing(detail: ErrorDetails) -> NeedMissingError | None:
    """Return the error about placeholders of needs that are not declared, if it is that."""
    error = detail.get("ctx", {}).get("error")
    return error if isinstance(error, NeedMissingError) else None


def _problem(detail: ErrorDetails) -> str:
    missing = _missing(detail)
    if missing is not None:
        return str(missing)
    path = ".".join(str(part) for part in detail["loc"] if part != "[key]") or "the file"
    field = _field(detail["loc"])
    expected = f": expected {field.description}" if field and field.description else ""
    if detail["type"] == "extra_forbidden":
        known = ", ".join(_names(_owner(detail["loc"])))
        return f"{path} is not a key of this file; known here are {known}"
    if detail["type"] == "missing":
        return f"{path} is missing{expected}"
    if detail["type"] == "value_error":
        return f"{path} is wrong{expected} ({detail['msg'].removeprefix('Value error, ')})"
    return f"{path} is wrong{expected} ({detail['msg'][:1].lower()}{detail['msg'][1:]})"


def _snippet(details: list[ErrorDetails]) -> str:
    """Write the YAML to paste; empty where there are only keys to remove."""
    wanted: dict[str, object] = {}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            continue
        missing = _missing(detail)
        if missing is not None:
            wanted["needs"] = {need: {} for need in missing.needs}
            continue
        tree = wanted
        fields = list(_outer_fields(detail["loc"]))
        for name, _ in fields[:-1]:
            tree = cast("dict[str, object]", tree.setdefault(name, {}))
        for name, field in fields[-1:]:
            tree[name] = field.examples[0] if field.examples else field.default
    return yaml.safe_dump(wanted, sort_keys=False).rstrip() if wanted else ""


def _outer_fields(loc: tuple[_LocPart, ...]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the fields on a path, down to the first that holds several values."""
    for model, part in _walk(loc):
        field = _named(model, part)
        if field is None:
            return
        yield part, field
        if not isinstance(field.annotation, type):
            return


def _field(loc: tuple[_LocPart, ...]) -> FieldInfo | None:
    """Return the innermost field of a path."""
    found: FieldInfo | None = None
    for model, part in _walk(loc):
        found = _named(model, part) or found
    return found


def _owner(loc: tuple[_LocPart, ...]) -> type[BaseModel]:
    """Return the model that holds the last key of a path."""
    owner: type[BaseModel] = App
    for model, _ in _walk(loc):
        owner = model
    return owner


def _walk(loc: tuple[_LocPart, ...]) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield each model on a path, and the key in it that the path goes on with."""
    model: type[BaseModel] | None = App
    in_mapping = False
    for part in loc:
        if model is None:
            return
        if not isinstance(part, str) or in_mapping:
            in_mapping = False
            continue
        field = _named(model, part)
        yield model, part
        if field is not None:
            in_mapping = get_origin(field.annotation) is dict
            model = next(_models(field.annotation), None)


def _named(model: type[BaseModel], key: str) -> FieldInfo | None:
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return field
    return None


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names, in whatever they are wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _names(model: type[BaseModel]) -> list[str]:
    return sorted(field.alias or name for name, field in model.model_fields.items())
