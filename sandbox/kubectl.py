"""The sandbox's objects by way of ``kubectl``, as a person would look at them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools import locate


def kubectl(settings: Settings, *arguments: str, document: dict[str, Any] | None = None) -> str:
    """Run ``kubectl`` as the sandbox's administrator and return what it prints.

    Args:
        settings: The sandbox; it must be running.
        arguments: As on the command line.
        document: An object given to it as a file, for ``apply -f -``.

    Raises:
        SandboxError: With kubectl's own words when it fails.
    """
    result = subprocess.run(
        [
            str(locate(settings, ["kubernetes"]).kubectl),
            f"--kubeconfig={settings.kubeconfig}",
            *arguments,
        ],
        input=json.dumps(document) if document else None,
        check=False,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise SandboxError(
            f"`kubectl {' '.join(arguments)}`",
            why=result.stderr.strip(),
            remedy="see what runs with `sandbox status`, then run the command again.",
        )
    return result.stdout


def read(settings: Settings, *arguments: str) -> dict[str, Any]:
    """The objects that ``kubectl get`` finds, as its JSON."""
    return dict(json.loads(kubectl(settings, "get", *arguments, "--output=json")))
