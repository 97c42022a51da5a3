"""What a shell needs so that plain ``pulumi``, ``kubectl``, ``aws`` and ``psql`` meet the sandbox.

This is the whole seam between the program and the sandbox: nothing in
``infra/`` knows more of it than a process knows of its environment.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sandbox import psql
from sandbox.aws.identity import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from sandbox.postgres.binaries import client_folder
from sandbox.processes import write_atomically
from sandbox.providers.attachments import attachments
from sandbox.settings import Settings
from sandbox.tools import Tools


def variables(settings: Settings, tools: Tools) -> dict[str, str]:
    """The environment variables that point every client at this sandbox."""
    pulumi = settings.home / "pulumi"
    attached = ",".join(f"{name}:{port}" for name, port in attachments(settings).items())
    return {
        "PATH": os.pathsep.join(
            [
                str(tools.bin),
                str(settings.python_environment / "bin"),
                os.environ.get("PATH", ""),
                str(client_folder()),  # Last: a psql that is installed has TLS, this one has not.
            ]
        ),
        "KUBECONFIG": str(settings.kubeconfig),
        "AWS_ENDPOINT_URL": settings.aws_endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # What the AWS CLI reads before its version 2.
        "AWS_EC2_METADATA_DISABLED": "true",
        "PGSERVICEFILE": str(psql.service_file(settings)),
        "PULUMI_HOME": str(pulumi / "home"),
        # Beside each file its store would write another, not atomically: a run that is killed
        # then leaves a state that can't be read ("failed to load checkpoint: EOF").
        "PULUMI_BACKEND_URL": f"file://{backend_folder(settings)}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(pulumi / "passphrase"),
        "PULUMI_DEBUG_PROVIDERS": attached,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # A browser knows that *.localhost is this machine; not every machine's resolver does.
        "PREVIEWS_THROUGH": f"http://127.0.0.1:{settings.http_port}",
        # There is no GitHub: the working tree is the pull request, the terminal shows its preview.
        "PREVIEWS_LOCAL": "true",
        "PREVIEWS_PULUMI_LOG": str(settings.logs / "pulumi.log"),
        # Each `up` starts Python anew: without bytecode it would compile the SDKs each time.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def backend_folder(settings: Settings) -> Path:
    """Pulumi's backend: a folder, where a team has Pulumi Cloud or a bucket."""
    return settings.home / "pulumi" / "state"


def prepare(settings: Settings) -> None:
    """Make what the variables name; what is there already stays as it is."""
    backend_folder(settings).mkdir(parents=True, exist_ok=True)
    passphrase = settings.home / "pulumi" / "passphrase"
    if not passphrase.exists():
        write_atomically(passphrase, secrets.token_urlsafe(32), mode=0o600)
