"""Garbage collection: what no image, build cache or running container needs is deleted."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.containers.layers import remove_tree
from sandbox.containers.locks import try_hold


@dataclass(frozen=True)
class Usage:
    """References that keep content in the store.

    Attributes:
        images: Digests of the manifests to keep.
        layers: Digests of further layers to keep.
    """

    images: frozenset[str]
    layers: frozenset[str]


def sweep(root: Path, usage: Usage) -> tuple[str, ...]:
    """Delete everything else from the store at ``root``, while nothing is put into it.

    Returns:
        Digests of the deleted layers.
    """
    blobs, layers = set[str](), {digest.removeprefix("sha256:") for digest in usage.layers}
    for manifest, described in _manifests(root):
        if f"sha256:{manifest}" in usage.images or _is_in_use(root, manifest):
            blobs |= {manifest, _hex(described["config"])}
            layers |= {_hex(layer) for layer in described["layers"]}
    for blob in _names(root / "blobs") - blobs:
        (root / "blobs" / blob).unlink()
        (root / "locks" / blob).unlink(missing_ok=True)
    unused = _names(root / "layers") - layers
    for layer in unused:
        _remove(root, root / "layers" / layer)
    _clear_scratch(root)
    return tuple(sorted(f"sha256:{layer}" for layer in unused))


def _manifests(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in _names(root / "blobs"):
        described = json.loads((root / "blobs" / name).read_bytes())
        if "layers" in described:
            yield name, described


def _is_in_use(root: Path, manifest: str) -> bool:
    with try_hold(root / "locks" / manifest) as exclusive:
        return not exclusive


def _remove(root: Path, folder: Path) -> None:
    # Renamed first, so that a kill leaves no incomplete layer.
    doomed = root / "scratch" / f"doomed-{secrets.token_hex(8)}"
    doomed.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(doomed)
        remove_tree(doomed)


def _clear_scratch(root: Path) -> None:
    for name in _names(root / "scratch"):
        path = root / "scratch" / name
        if path.suffix == ".lock":
            continue
        lock = path.with_suffix(".lock")
        with try_hold(lock) as abandoned:
            if abandoned:
                remove_tree(path)
                lock.unlink(missing_ok=True)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _hex(descriptor: dict[str, str]) -> str:
    return descriptor["digest"].removeprefix("sha256:")
