"""Reader of YAML that people write, whose plain values stay the texts that they were written as."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, cast

import yaml

from contract.written import Bare, Written, WrittenError

_TAG = "tag:yaml.org,2002:"
_TEXTS = frozenset({"merge", "str", "value"})
_PLAIN = frozenset({"bool", "float", "int", "timestamp"})
_BEGINS_WITH_A_BRACE = re.compile(r"\s*(?:- +)?([A-Za-z_][\w.-]*): +\{+([a-z][a-z0-9_]*)\}+.")


def read(
    text: bytes, *, aliases: bool = False, untagged: Collection[str] = ()
) -> tuple[yaml.Node | None, object]:
    """Return the root of a document, and its content; None for both where it is empty.

    Args:
        text: The document, UTF-8 with or without a byte order mark.
        aliases: True to allow them; an attacker builds bombs of them.
        untagged: Tags whose values are read as if they had none.

    Raises:
        WrittenError: It is no YAML, or has a key twice, or what people have no use for.
    """
    try:
        root = _Loader(text, aliases=aliases, untagged=untagged).get_single_node()
        return root, None if root is None else _content(root)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error, text) from error


class _Loader(yaml.SafeLoader):
    def __init__(self, text: bytes, *, aliases: bool, untagged: Collection[str]) -> None:
        super().__init__(text)
        self._aliases = aliases
        self._untagged = untagged

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast("Any", self).peek_event()
        if isinstance(event, yaml.AliasEvent):
            if not self._aliases:
                raise _wrong("an alias is not allowed", event.start_mark)
        elif event.tag in self._untagged:
            is_scalar = isinstance(event, yaml.ScalarEvent)
            event.tag = None
            event.implicit = (event.style is None, event.style is not None) if is_scalar else True
        return super().compose_node(parent, index)


def _content(node: yaml.Node) -> object:
    kind = str(node.tag).removeprefix(_TAG)
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_content(one) for one in node.value]
    if isinstance(node, yaml.ScalarNode) and kind in _TEXTS:
        return str(node.value)
    if isinstance(node, yaml.ScalarNode) and kind == "null":
        return None
    if isinstance(node, yaml.ScalarNode) and kind in _PLAIN:
        written = Written(node.value)
        written.kind, written.line = kind, _line(node)
        return written
    raise _wrong(f"the tag {node.tag} has no meaning here", node.start_mark)


def _mapping(node: yaml.MappingNode) -> dict[str, object]:
    found: dict[str, object] = {}
    inherited: dict[str, object] = {}
    for key_node, value_node in node.value:
        if key_node.tag == f"{_TAG}merge":
            inherited |= _merged(value_node)
            continue
        key = key_text(key_node)
        if key in found:
            raise _wrong(f"{key!r} is there twice", key_node.start_mark)
        if len(node.value) == 1 and _is_bare(node):
            bare = Bare(key)
            bare.line = _line(key_node)
            key = bare
        found[key] = _content(value_node)
    return inherited | found


def _merged(node: yaml.Node) -> dict[str, object]:
    """Return the entries that a mapping takes from others by ``<<``; an earlier one's win."""
    others = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found: dict[str, object] = {}
    for other in others:
        if not isinstance(other, yaml.MappingNode):
            raise _wrong("<< takes a mapping, or a list of them", other.start_mark)
        found = _mapping(other) | found
    return found


def key_text(node: yaml.Node) -> str:
    """Return a key as the content has it.

    Raises:
        yaml.MarkedYAMLError: It is a list, or a mapping.
    """
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1 and _is_bare(node):
        return "{" + key_text(node.value[0][0]) + "}"
    raise _wrong("a key is a text, no mapping and no list", node.start_mark)


def _is_bare(node: yaml.MappingNode) -> bool:
    """Return True for a mapping of one key that has braces and no colon."""
    key, value = node.value[0]
    text = key.end_mark.buffer
    if not node.flow_style or value.value or text is None:
        return False
    return ":" not in text[key.end_mark.pointer : value.start_mark.pointer]


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def _wrong(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _explained(error: Exception, text: bytes) -> WrittenError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    problem = " ".join(str(getattr(error, "problem", None) or said).split())
    lines = text.decode(errors="replace").splitlines()
    begun = _BEGINS_WITH_A_BRACE.match(lines[line - 1]) if line <= len(lines) else None
    if begun is None:
        return WrittenError(f"it is not valid YAML ({problem})", line=line)
    # The rest of the line may be a secret, and is not repeated.
    return WrittenError(
        "it is not valid YAML (a value that begins with a brace needs quotes)",
        line=line,
        snippet=f'{begun[1]}: "{{{begun[2]}}}…"',
    )
