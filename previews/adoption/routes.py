"""FastAPI's app object and the paths that lead to its functions, read from the syntax."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from previews.adoption.source import argument, called, dotted, targets, text

if TYPE_CHECKING:
    from previews.adoption.source import Module, Source

_OPENAPI = "openapi_url"
_MADE = frozenset({"APIRouter", "Router"})
METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})


@dataclass(frozen=True)
class AppObject:
    """A FastAPI app.

    Attributes:
        module: File that it is in.
        name: Name of the object in the file, or of the function that makes it.
        line: Line of the object.
        factory: True if only the function is there, so that uvicorn needs ``--factory``.
        call: The call of FastAPI.
        maker: File of the call, and the name of the object there.
    """

    module: Module
    name: str
    line: int
    factory: bool
    call: ast.Call
    maker: tuple[Module, str]


@dataclass
class Routes:
    """Paths of an app.

    Attributes:
        paths: Method and path of each route; a mounted app has the method ``*``.
        open: Of these the GET routes without a parameter in the path.
        unread: Places where routes are added that can't be read, ``file:line``.
        openapi: Path of the OpenAPI document; None if there is none or it can't be read.
    """

    paths: set[tuple[str, str]] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    openapi: str | None = "/openapi.json"

    @property
    def plain(self) -> list[str]:
        """Paths that GET answers and that have no parameter."""
        return sorted({path for method, path in self.paths if method == "get" and "{" not in path})

    def leads(self, path: str) -> bool:
        """Return whether GET of a path reaches a route, as far as the routes are known."""
        if path in self.plain or path == self.openapi:
            return True
        return any(
            method == "*" and (path + "/").startswith(f"{mounted.rstrip('/')}/")
            for method, mounted in self.paths
        )


def app_objects(source: Source) -> list[AppObject]:
    """Return the FastAPI apps of a source, without those that are mounted in others.

    A function that makes one counts where no file has its result.
    """
    found: list[AppObject] = []
    for module in source.modules.values():
        for name, value in module.assigned.items():
            made = _made(source, module, name, value)
            if made is not None:
                found.append(AppObject(module, name, value.lineno, False, *made))
    calls = [one.call for one in found]
    for module in source.modules.values():
        if "FastAPI" not in module.mentions:
            continue
        for name, function in module.functions.items():
            made = _made_by(source, module, function)
            if made is not None and made[0] not in calls:
                found.append(AppObject(module, name, function.lineno, True, *made))
    mounted = {
        dotted(node.args[1])
        for module in source.modules.values()
        if "mount" in module.mentions
        for node in ast.walk(module.tree)
        if called(node if isinstance(node, ast.expr) else None) == "mount"
        and isinstance(node, ast.Call)
        and len(node.args) > 1
    }
    outer = [one for one in found if one.name not in mounted]
    return outer or found


def read_routes(source: Source, app: AppObject) -> Routes:
    """Return the paths of an app."""
    routes = Routes()
    module, name = app.maker
    openapi = argument(app.call, "openapi_url")
    if openapi is not None:
        routes.openapi = text(source, module, openapi)
    elif any(keyword.arg is None for keyword in app.call.keywords):
        routes.openapi = _from_keywords(source)
    places = {(module.path, name), (app.module.path, app.name)}
    for path, local in places:
        _read(source, source.modules[path], local, "", routes, set())
    return routes


def _from_keywords(source: Source) -> str | None:
    """Return the path for an app whose arguments are in a dictionary: only if nothing sets it."""
    for module in source.own:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == _OPENAPI:
                        return text(source, module, value)
            elif isinstance(node, ast.Subscript) and getattr(node.slice, "value", "") == _OPENAPI:
                return None
    return "/openapi.json"


def _made(
    source: Source, module: Module, name: str, value: ast.expr
) -> tuple[ast.Call, tuple[Module, str]] | None:
    """Return FastAPI's call for a value that is one, or that a function of the source returns."""
    if not isinstance(value, ast.Call):
        return None  # Most of what a file assigns.
    if _is_fastapi(source, module, value):
        return value, (module, name)
    resolved = source.resolve(module, dotted(value.func)) if dotted(value.func) else None
    if resolved is None:
        return None
    function = resolved[0].functions.get(resolved[1])
    if "FastAPI" not in resolved[0].mentions:
        return None
    return None if function is None else _made_by(source, resolved[0], function)


def _made_by(
    source: Source, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> tuple[ast.Call, tuple[Module, str]] | None:
    returned = {
        dotted(node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    }
    for node in ast.walk(function):
        value = node.value if isinstance(node, ast.Return) else None
        if isinstance(value, ast.Call) and _is_fastapi(source, module, value):
            return value, (module, "")
        for target in targets(node):
            value = getattr(node, "value", None)
            if (
                isinstance(target, ast.Name)
                and target.id in returned
                and isinstance(value, ast.Call)
                and _is_fastapi(source, module, value)
            ):
                return value, (module, target.id)
    return None


def _is_fastapi(source: Source, module: Module, node: ast.Call) -> bool:
    """Return whether a call makes a FastAPI, or an object of the source's own class of one."""
    if "FastAPI" not in module.mentions:
        return False
    name = dotted(node.func)
    if _names_fastapi(module, name):
        return True
    resolved = source.resolve(module, name) if name else None
    owner = resolved[0].classes.get(resolved[1]) if resolved else None
    return owner is not None and any(
        _names_fastapi(resolved[0], dotted(base)) for base in owner.bases if resolved
    )


def _names_fastapi(module: Module, name: str) -> bool:
    known = module.imports.get(name)
    return name.rpartition(".")[2] == "FastAPI" or (known is not None and known[1] == "FastAPI")


def _read(
    source: Source,
    module: Module,
    name: str,
    prefix: str,
    routes: Routes,
    seen: set[tuple[str, str, str]],
) -> None:
    """Add the routes of an app or a router, by its name in a file."""
    if (str(module.path), name, prefix) in seen:
        return
    seen.add((str(module.path), name, prefix))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    _route(source, module, name, decorator, prefix, routes)
        elif isinstance(node, ast.Call):
            _call(source, module, name, node, prefix, routes, seen)


def _call(
    source: Source,
    module: Module,
    name: str,
    node: ast.Call,
    prefix: str,
    routes: Routes,
    seen: set[tuple[str, str, str]],
) -> None:
    """Add the routes of a call of the app's or router's methods, or of a function with it."""
    for position, given in enumerate(node.args):
        if isinstance(given, ast.Name) and given.id == name:
            _passed(source, module, node, position, prefix, routes, seen)
    if not isinstance(node.func, ast.Attribute) or dotted(node.func.value) != name:
        return
    if node.func.attr == "include_router":
        _include(source, module, node, prefix, routes, seen)
    elif node.func.attr in {"add_api_route", "add_route", "mount", "frontend"}:
        path = text(source, module, argument(node, "path", 0))
        method = "get" if node.func.attr.startswith("add") else "*"
        if path is None:
            routes.unread.append(f"{module.path}:{node.lineno}")
        else:
            routes.paths.add((method, prefix + path))


def _passed(
    source: Source,
    module: Module,
    node: ast.Call,
    position: int,
    prefix: str,
    routes: Routes,
    seen: set[tuple[str, str, str]],
) -> None:
    """Add what a function of the source does with the app or router that it is passed."""
    resolved = source.resolve(module, dotted(node.func)) if dotted(node.func) else None
    function = resolved[0].functions.get(resolved[1]) if resolved else None
    if resolved is None or function is None or position >= len(function.args.args):
        return
    _read(source, resolved[0], function.args.args[position].arg, prefix, routes, seen)


def _route(
    source: Source, module: Module, name: str, node: ast.Call, prefix: str, routes: Routes
) -> None:
    if not isinstance(node.func, ast.Attribute) or dotted(node.func.value) != name:
        return
    method = node.func.attr
    if method not in METHODS and method not in {"api_route", "route"}:
        return
    path = text(source, module, argument(node, "path", 0))
    if path is None:
        routes.unread.append(f"{module.path}:{node.lineno}")
    else:
        routes.paths.add((method if method in METHODS else "get", prefix + path))


def _include(
    source: Source,
    module: Module,
    node: ast.Call,
    prefix: str,
    routes: Routes,
    seen: set[tuple[str, str, str]],
) -> None:
    given = argument(node, "prefix")
    added = "" if given is None else text(source, module, given)
    router = argument(node, "router", 0)
    found = [] if router is None else _routers(source, module, router)
    if not found or added is None:
        routes.unread.append(f"{module.path}:{node.lineno}")
        return
    for target, name in found:
        made = _assigned(target, name)
        own: str | None = None
        if isinstance(made, ast.Call) and called(made).endswith("Router"):
            inner = argument(made, "prefix")
            own = "" if inner is None else text(source, target, inner)
        elif isinstance(made, ast.Call):
            own = ""
        if own is None:
            line = made.lineno if made is not None else node.lineno
            place = target if made is not None else module
            routes.unread.append(f"{place.path}:{line}")
        else:
            _read(source, target, name, prefix + added + own, routes, seen)


def _routers(source: Source, module: Module, router: ast.expr) -> list[tuple[Module, str]]:
    """Return the routers that an expression stands for: the file of each and its name there.

    It is a name, wherever it is imported from; one of a loop over several; or the call of a
    function that returns one.
    """
    if isinstance(router, ast.Call):
        resolved = source.resolve(module, dotted(router.func)) if dotted(router.func) else None
        function = resolved[0].functions.get(resolved[1]) if resolved else None
        returned = [
            dotted(node.value)
            for node in (ast.walk(function) if function else ())
            if isinstance(node, ast.Return) and node.value is not None
        ]
        return [(resolved[0], name) for name in returned if name] if resolved else []
    name = dotted(router)
    resolved = source.resolve(module, name) if name else None
    if resolved is not None:
        return [resolved]
    looped = [
        found
        for one in ast.walk(module.tree)
        if isinstance(one, ast.For)
        for element in _elements(module, one, name)
        if (found := source.resolve(module, dotted(element))) is not None
    ]
    # A router of the function that makes the app.
    return looped or ([(module, name)] if called(_assigned(module, name)) in _MADE else [])


def _elements(module: Module, loop: ast.For, name: str) -> list[ast.expr]:
    """Return the values that a loop over a literal gives to a name."""
    targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
    names = [dotted(one) for one in targets]
    if name not in names:
        return []
    over, position = loop.iter, names.index(name) if len(names) > 1 else None
    method = ""
    if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute):
        method = over.func.attr
        over = over.func.value
    if isinstance(over, ast.Name):
        over = module.assigned.get(over.id, over)
    if isinstance(over, ast.Dict):
        return over.values if method in {"items", "values"} else []
    literal = over.elts if isinstance(over, ast.List | ast.Tuple | ast.Set) else []
    if position is None:
        return literal
    pairs = [one.elts for one in literal if isinstance(one, ast.Tuple | ast.List)]
    return [one[position] for one in pairs if len(one) > position]


def _assigned(module: Module, name: str) -> ast.expr | None:
    """Return the value of a name: the file's own, or that of a function's local."""
    if name in module.assigned:
        return module.assigned[name]
    return next(
        (
            node.value
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Assign) and name in map(dotted, node.targets)
        ),
        None,
    )
