"""Mail: Mailpit, which keeps what the app sends, shows it on the app's host, and delivers nothing.

The page is a path of the app's own host, so that its name, certificate and sign-in are the app's.
No relay is configured, and the pod reaches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core

from contract.app.containers import Health
from contract.app.needs import MAIL, MAIL_PATH
from infra.app.needs.need import NeedServer, ProvidedNeed, Server, checked_image
from infra.app.web_service import WebBackend
from infra.kubernetes.ingress_annotations import target_annotations

if TYPE_CHECKING:
    from infra.app.needs.need import NeedArgs

SMTP_PORT = 1025
PAGE_PORT = 8025
_SMTP, _PAGE = "smtp", "http"
_HEALTH = Health(live=f"{MAIL_PATH}/livez", ready=f"{MAIL_PATH}/readyz")

_MOST_MESSAGES = 100
_LARGEST_MEBIBYTES = 5
# The oldest are removed once a minute, in which as many may come on top.
_SCRATCH_MEBIBYTES = 1024

COMMAND = (
    "/mailpit",
    *("--webroot", MAIL_PATH),
    *("--listen", f"0.0.0.0:{PAGE_PORT}"),
    *("--smtp", f"0.0.0.0:{SMTP_PORT}"),
    *("--database", "/tmp/mail.db"),  # noqa: S108 - a folder of the container
    *("--max", str(_MOST_MESSAGES)),
    *("--max-message-size", str(_LARGEST_MEBIBYTES)),
    # Compaction would write the database a second and a third time. Later mail fills the gaps.
    "--disable-auto-vacuum",
    # An app whose settings demand a login may send any.
    "--smtp-auth-accept-any",
    "--smtp-auth-allow-insecure",
    "--smtp-disable-rdns",
    "--disable-version-check",
    "--block-remote-css-and-fonts",
)
"""Command of the server."""


def provide_mail(args: NeedArgs, opts: pulumi.ResourceOptions) -> ProvidedNeed:
    """Declare the mail server, and its page behind the app's Ingress."""
    server = NeedServer(
        MAIL,
        server=Server(
            name=MAIL,
            image=pulumi.Output.from_input(args.platform.images.mail).apply(
                lambda image: checked_image(MAIL, image)
            ),
            command=COMMAND,
            ports={_SMTP: SMTP_PORT, _PAGE: PAGE_PORT},
            app_ports=[_SMTP],
            balancer_ports=[_PAGE],
            probe=core.v1.ProbeArgs(
                http_get=core.v1.HTTPGetActionArgs(path=_HEALTH.ready, port=_PAGE),
                period_seconds=5,
                timeout_seconds=3,
                failure_threshold=2,
            ),
            annotations=target_annotations(_HEALTH.ready),
            scratch_mebibytes=_SCRATCH_MEBIBYTES,
        ),
        args=args,
        # An Ingress sends to the port `http` of a Service, which is 80 in all of them.
        service_ports={_PAGE: 80},
        opts=opts,
    )
    url = pulumi.Output.concat(args.url, MAIL_PATH)
    values: dict[str, pulumi.Input[str]] = {
        "smtp_host": MAIL,
        "smtp_port": str(SMTP_PORT),
        "mail_url": url,
    }
    return ProvidedNeed(
        values=values,
        ready=server.ready,
        backends=[WebBackend(MAIL, MAIL, MAIL_PATH, _HEALTH)],
        outputs={"mailUrl": url},
    )
