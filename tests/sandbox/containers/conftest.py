from __future__ import annotations

import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.containers.build import build
from sandbox.containers.runtime import ContainerSpec, popen
from sandbox.containers.store import ImageStore, StoredImage


@dataclass
class Bench:
    """A context folder, a store, and what the last build said."""

    context: Path
    store: ImageStore
    log: list[str] = field(default_factory=list)

    def write(self, name: str, text: str = "") -> Path:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"content of {name}\n")
        return path

    def build(self, dockerfile: str, **options: Any) -> StoredImage:
        self.log.clear()
        text = textwrap.dedent(dockerfile)
        return build(text, self.context, store=self.store, log=self.log.append, **options)

    def run(self, image: StoredImage, command: str, **options: Any) -> str:
        spec = ContainerSpec(
            layers=image.layers, argv=("/bin/sh", "-c", command), env={}, **options
        )
        process = popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output.decode()
        return output.decode()

    @property
    def worked(self) -> list[str]:
        """The instructions that the last build did not find in its cache."""
        return [line for line in self.log if line.startswith("[") and "(cached)" not in line]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    return Bench(tmp_path / "context", ImageStore(tmp_path / "images"))
