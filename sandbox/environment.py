"""Environment in which plain ``pulumi``, ``kubectl``, ``aws`` and ``psql`` use the sandbox.

These variables are all that connects the program to the sandbox; nothing in ``infra/``
refers to it.
"""

from __future__ import annotations

import os
import secrets
import shlex
from pathlib import Path

from sandbox import psql
from sandbox.aws.identity import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from sandbox.postgres.binaries import client_folder
from sandbox.providers.attachments import attachments
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.system import write_atomically
from sandbox.tools import Tools

_POLICIES = PROJECT_ROOT / "infra" / "policies"


def variables(settings: Settings, tools: Tools) -> dict[str, str]:
    """Return the environment variables that point every client at this sandbox."""
    pulumi = settings.home / "pulumi"
    attached = ",".join(f"{name}:{port}" for name, port in attachments(settings).items())
    return {
        "PATH": os.pathsep.join(
            [
                str(tools.bin),
                str(settings.python_environment / "bin"),
                os.environ.get("PATH", ""),
                str(client_folder()),  # Last: an installed psql has TLS, this one has not.
            ]
        ),
        "KUBECONFIG": str(settings.kubeconfig),
        "AWS_ENDPOINT_URL": settings.aws_endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # Read by version 1 of the AWS CLI.
        "AWS_EC2_METADATA_DISABLED": "true",
        "PGSERVICEFILE": str(psql.service_file(settings)),
        "PULUMI_HOME": str(pulumi / "home"),
        # With metadata, Pulumi writes a second file per state, not atomically: a killed run
        # then leaves a state that can't be read ("failed to load checkpoint: EOF").
        "PULUMI_BACKEND_URL": f"file://{backend_folder(settings)}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(pulumi / "passphrase"),
        "PULUMI_DEBUG_PROVIDERS": attached,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Browsers resolve *.localhost to this machine; not every machine's resolver does.
        "PREVIEWS_THROUGH": f"http://127.0.0.1:{settings.http_port}",
        # There is no GitHub: the working tree stands for the pull request.
        "PREVIEWS_LOCAL": "true",
        "PREVIEWS_PULUMI_LOG": str(settings.logs / "pulumi.log"),
        "PREVIEWS_POLICY_PACK": str(policy_pack(settings)),
        # Each `up` starts Python again: without bytecode it would compile the SDKs each time.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def backend_folder(settings: Settings) -> Path:
    """Return the folder that is Pulumi's backend, where a team has Pulumi Cloud or a bucket."""
    return settings.home / "pulumi" / "state"


def policy_pack(settings: Settings) -> Path:
    """Return the program that serves the policy pack.

    The language host that can be built from a registry can't start a pack: it uses the program's
    folder as the pack's. The engine accepts a program that serves one in place of its folder.
    """
    return settings.home / "pulumi" / "serve-policies"


def prepare(settings: Settings) -> None:
    """Create the files and folders that the variables name, where they are missing."""
    backend_folder(settings).mkdir(parents=True, exist_ok=True)
    passphrase = settings.home / "pulumi" / "passphrase"
    if not passphrase.exists():
        write_atomically(passphrase, secrets.token_urlsafe(32), mode=0o600)
    # `-P`: nothing in the folder of the program that is checked is imported.
    serve = f'exec python3 -P -u -m pulumi.policy "$1" {shlex.quote(str(_POLICIES))}'
    write_atomically(policy_pack(settings), f"#!/bin/sh\n{serve}\n", mode=0o755)
