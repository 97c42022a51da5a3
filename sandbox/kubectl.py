"""Access to the sandbox's Kubernetes objects through ``kubectl``."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools import locate


def kubectl(settings: Settings, *arguments: str, document: dict[str, Any] | None = None) -> str:
    """Run ``kubectl`` as the sandbox's administrator and return its output.

    Args:
        settings: The sandbox; it must be running.
        arguments: Command-line arguments.
        document: Object for its standard input, as ``apply -f -`` reads it.

    Raises:
        SandboxError: kubectl fails; its error output is the reason.
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
            remedy="check with `sandbox status` that all is ready, then run the command again.",
        )
    return result.stdout


def read(settings: Settings, *arguments: str) -> dict[str, Any]:
    """Return the JSON that ``kubectl get`` prints."""
    return dict(json.loads(kubectl(settings, "get", *arguments, "--output=json")))
