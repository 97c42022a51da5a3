"""Builds by docker, podman or buildah, where the machine has one that works.

Such a build is the real one: of the real base images. Its image is imported into the sandbox's
store, above a layer that hides the machine. An engine is used only if it answers and has, or can
pull, every image that the Dockerfile names; otherwise the sandbox builds itself, and says why.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sandbox.containers.layers import Layer, hide, whiteout
from sandbox.containers.machine import hide_machine
from sandbox.containers.running import Interrupt
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.errors import SandboxError

ENGINES: Final = ("docker", "podman", "buildah")
_ANSWER_SECONDS: Final = 20
_PULL_SECONDS: Final = 900
_HIDDEN: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_LINES: Final = 20


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes:
        dockerfile: The file.
        context: Its context.
        target: Stage to build; None for the last.
        build_args: Values of its ARGs.
        labels: Labels of the image.
    """

    dockerfile: Path
    context: Path
    target: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """A program that builds images.

    Attributes:
        name: One of ``ENGINES``.
        program: Its path.
    """

    name: str
    program: str

    def refuses(self, images: Iterable[str]) -> str | None:
        """Return why the engine can't build from these images; None if it can."""
        if reason := self._fails("info", seconds=_ANSWER_SECONDS):
            return f"it does not answer ({reason})"
        for image in images:
            inspect = ("inspect", "--type", "image", image)
            if self._fails(*inspect, seconds=_ANSWER_SECONDS) and (
                reason := self._fails("pull", image, seconds=_PULL_SECONDS)
            ):
                return f"it can't get {image} ({reason})"
        return None

    def build(
        self, request: Request, store: ImageStore, log: Callable[[str], None], interrupt: Interrupt
    ) -> StoredImage:
        """Build an image, and import it into the store.

        Raises:
            SandboxError: The build failed or was interrupted, or its image can't be imported.
        """
        with tempfile.TemporaryDirectory() as scratch, store.collecting_nothing():
            identity, archive = Path(scratch, "id"), Path(scratch, "image.tar")
            self._run(
                ["build", *self._arguments(request, identity), str(request.context)], log, interrupt
            )
            image = identity.read_text().strip()
            save = ["save", *_FORMATS[self.name], "--output", str(archive), image]
            if self.name == "buildah":
                save = ["push", image, f"oci-archive:{archive}"]
            self._run(save, log, interrupt)
            return import_archive(archive, store, Path(scratch, "unpacked"))

    def _arguments(self, request: Request, identity: Path) -> list[str]:
        words = ["--file", str(request.dockerfile), "--iidfile", str(identity)]
        words += ["--target", request.target] if request.target else []
        for flag, values in (("--build-arg", request.build_args), ("--label", request.labels)):
            for name, value in sorted(values.items()):
                words += [flag, f"{name}={value}"]
        return words

    def _fails(self, *words: str, seconds: float) -> str | None:
        try:
            answer = subprocess.run(
                [self.program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        if answer.returncode == 0:
            return None
        lines = (answer.stderr or answer.stdout).strip().splitlines()
        return lines[-1] if lines else f"exit code {answer.returncode}"

    def _run(self, words: list[str], log: Callable[[str], None], interrupt: Interrupt) -> None:
        last: list[str] = []
        interrupt.check()
        process = subprocess.Popen(
            [self.program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with interrupt.ending(process):
            for raw in process.stdout or ():
                line = raw.decode(errors="replace").rstrip()
                last = [*last, line][-_LINES:]
                log(line)
            code = process.wait()
        interrupt.check()
        if code != 0:
            output = "\n".join(f"    {line}" for line in last)
            raise SandboxError(
                f"build by {self.name}: {words[0]}",
                why=f"exited with {code}; its last lines:\n{output or '    (none)'}",
                remedy="correct the Dockerfile or its input, and build again",
            )


_FORMATS: Final[Mapping[str, list[str]]] = {
    "docker": [],
    "podman": ["--format", "oci-archive"],
    "buildah": [],
}


def find_engine(wanted: str, images: Iterable[str], log: Callable[[str], None]) -> Engine | None:
    """Return the first engine that can build from these images, or None.

    Args:
        wanted: ``auto``, ``own`` for none, or the name of an engine that must be used.
        images: Names of the images that the Dockerfile needs.
        log: Called with the reason why an engine on the PATH is not used.

    Raises:
        SandboxError: The wanted engine can't be used.
    """
    for name in ENGINES if wanted == "auto" else (wanted,) if wanted != "own" else ():
        program = shutil.which(name)
        engine = Engine(name, program) if program else None
        reason = engine.refuses(images) if engine else "it is not on the PATH"
        if reason is None:
            return engine
        if wanted != "auto":
            raise SandboxError(
                f"builds by {name}",
                why=reason,
                remedy="see to that, or set SANDBOX_BUILDER=auto and `sandbox reset`",
            )
        if engine is not None:
            log(f"note: {name} is not used: {reason}")
    return None


def import_archive(archive: Path, store: ImageStore, folder: Path) -> StoredImage:
    """Put an image of ``docker save`` or an OCI archive into the store.

    Args:
        archive: The file.
        store: Store that receives the image.
        folder: Folder to create for the archive's content.

    Raises:
        SandboxError: It holds no image, or one of an unknown form.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        config, blobs = _content(folder)
    except (tarfile.TarError, OSError, ValueError, LookupError) as error:
        raise SandboxError(
            f"image archive {archive.name}",
            why=f"expected that of docker, podman or buildah: {error}",
            remedy="update the engine, or set SANDBOX_BUILDER=own and `sandbox reset`",
        ) from error
    document = {key: value for key, value in config.items() if key not in {"rootfs", "created"}}
    for entry in document.get("history", ()):
        entry.pop("created", None)  # The same files give the same image, whenever it is built.
    layers = [_imported(store, hide_machine)]
    layers += [_imported(store, partial(unpack, blob)) for blob in blobs]
    return store.get(store.put(document, layers))


def _content(folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """Return the configuration and the layers, bottom first."""
    listed = folder / "manifest.json"
    if listed.is_file():
        [image] = json.loads(listed.read_bytes())
        layers = [folder / name for name in image["Layers"]]
        return json.loads((folder / image["Config"]).read_bytes()), layers
    [described] = json.loads((folder / "index.json").read_bytes())["manifests"]
    manifest = json.loads(_blob(folder, described).read_bytes())
    layers = [_blob(folder, layer) for layer in manifest["layers"]]
    return json.loads(_blob(folder, manifest["config"]).read_bytes()), layers


def _blob(folder: Path, descriptor: Mapping[str, str]) -> Path:
    algorithm, _, digest = descriptor["digest"].partition(":")
    return folder / "blobs" / algorithm / digest


def _imported(store: ImageStore, fill: Callable[[Path], None]) -> Layer:
    with store.scratch() as scratch:
        layer = scratch / "layer"
        layer.mkdir(mode=0o755)
        fill(layer)
        return store.put_layer(layer)


def unpack(archive: Path, layer: Path) -> None:
    """Unpack a layer's archive in overlayfs's form: what it deletes becomes a device.

    Raises:
        SandboxError: It can't be unpacked.
    """
    deleted: list[Path] = []
    opaque: list[Path] = []
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                place = layer / path.parent
                if path.name == _OPAQUE:
                    opaque.append(place)
                elif path.name.startswith(_HIDDEN):
                    deleted.append(place / path.name.removeprefix(_HIDDEN))
                elif not member.isdev():  # A container has devices of its own.
                    tar.extract(member, layer, numeric_owner=True, filter="tar")
    except (tarfile.TarError, OSError) as error:
        raise SandboxError(
            f"layer {archive.name}",
            why=str(error),
            remedy="set SANDBOX_BUILDER=own and `sandbox reset`, if the Dockerfile allows it",
        ) from error
    for place in opaque:
        place.mkdir(parents=True, exist_ok=True)
        hide(place)
    for place in deleted:
        place.parent.mkdir(parents=True, exist_ok=True)
        whiteout(place)
