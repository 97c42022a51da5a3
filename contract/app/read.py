"""Reader of ``preview.yaml``, whose errors name the line and show the YAML to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from contract.app.model import FILE, App, NeedMissingError
from contract.written import PlacedError, QuotesMissingError, WrittenError
from contract.yaml_reader import key_text, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_LARGEST = 256 * 1024
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
        node, content = read(text)
    except WrittenError as error:
        raise AppFileError(file, [error.located], error.snippet) from error
    if content is None:
        content = {}
    try:
        return App.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [f"line {_line(node, _place(d))}: {_problem(d)}" for d in details]
        raise AppFileError(file, problems, _snippet(details)) from error


def _line(node: yaml.Node | None, loc: tuple[_LocPart, ...]) -> int:
    """Return the number of the line of the deepest part of a path that the file has."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if key_text(k) == str(part)), None)
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
    error = detail.get("ctx", {}).get("error")
    return detail["loc"] + (error.at if isinstance(error, PlacedError) else ())


def _missing(detail: ErrorDetails) -> NeedMissingError | None:
    """Return the error about placeholders of needs that are not declared, if it is that."""
    error = detail.get("ctx", {}).get("error")
    return error if isinstance(error, NeedMissingError) else None


def _problem(detail: ErrorDetails) -> str:
    missing = _missing(detail)
    if missing is not None:
        return str(missing)
    path = ".".join(str(part) for part in _place(detail) if part != "[key]") or "the file"
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
    wanted: dict[tuple[str, ...], object] = {}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            continue
        missing = _missing(detail)
        if missing is not None:
            wanted["needs",] = {need: {} for need in missing.needs}
            continue
        path, value = _example(detail)
        if path:
            wanted[path] = value
    tree: dict[str, object] = {}
    for path, value in wanted.items():
        if any(path[:length] in wanted for length in range(1, len(path))):
            continue  # The example of an outer key is shown.
        inner = tree
        for name in path[:-1]:
            inner = cast("dict[str, object]", inner.setdefault(name, {}))
        inner[path[-1]] = value
    return yaml.safe_dump(tree, sort_keys=False).rstrip() if tree else ""


def _example(detail: ErrorDetails) -> tuple[tuple[str, ...], object]:
    """Return the path of the YAML to write, and its value."""
    error, place = detail.get("ctx", {}).get("error"), _place(detail)
    if isinstance(error, QuotesMissingError) and all(isinstance(part, str) for part in place):
        return tuple(str(part) for part in place), error.text
    fields = list(_outer_fields(detail["loc"]))
    if not fields:
        return (), None
    path = tuple(name for name, _ in fields)
    _, field = fields[-1]
    return path, field.examples[0] if field.examples else field.default


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
