"""Stacks of two apps on one platform, whose objects use all that the program can declare."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.stacks import main
from tests.infra.world import (
    CREATED_CLUSTER,
    PREVIEW_CONFIG,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    deploy,
)
from tests.manifests.rendering import objects

_DIGEST = f"@sha256:{64 * 'a'}"
_ACCESS = {
    "signIn": "cognito",
    "userPoolDomain": "acme-previews",
    "bypassSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
    "previews-bypass-tests-AbCdEf",
}
_REPOSITORY = {
    "repository": "acme/platform",
    "repositoryId": "1",
    "subjectPrefix": "repo:acme@1234/platform@1",
}
_ORDERS = {
    "name": "orders",
    "repository": "acme/orders",
    "repositoryId": "456789",
    "subjectPrefix": "repo:acme@1234/orders@456789",
    "branch": "main",
}
_BRANCHES = {"branches": {"enabled": True}}
_IMAGES = {"needs": {f"{need}Image": f"copies/{need}{_DIGEST}" for need in ("redis", "mail")}}

# Each kind of object that the program can declare for an app.
_APP = """
app: {name}
service:
  path: /api
workers:
  queue: {{ command: work }}
web:
  frontend:
    image: {{ context: ., dockerfile: Dockerfile }}
    port: 3000
secrets:
  SECRET_KEY: generate
  STRIPE_KEY: {{ name: stripe, property: key }}
database:
  migrate: migrate
hooks:
  seed: seed
  after_deploy: warm
  before_destroy: bye
egress:
  - {{ host: api.stripe.com, port: 443 }}
needs:
  redis: {{ memory: 128Mi }}
  mail:
  bucket:
"""


@cache
def platform() -> Deployment:
    """The platform's staging: a new cluster, CI's roles for two apps, sign-in, shared servers."""
    config = (
        STAGING_CONFIG
        | CREATED_CLUSTER
        | {"access": _ACCESS, "github": _REPOSITORY, "apps": [_ORDERS]}
        # The bypass of the sign-in is refused in Auto Mode.
        | {"loadBalancer": {"controller": "aws-load-balancer-controller"}}
        | _BRANCHES
        | _IMAGES
    )
    return deploy("staging", main, config=config)


@cache
def orders() -> Deployment:
    """The other app's staging, with shared servers of its own."""
    platform_s = {"ttlDays", "commit", "repository", "service", "access", "database"}
    config = {key: STAGING_CONFIG[key] for key in platform_s} | {"platform": "previews"} | _BRANCHES
    return _described("orders", "staging", config, platform())


@cache
def declared(
    app: str, stack: str, *, mode: str = "snapshot", egress_by: str = "address"
) -> tuple[dict[str, Any], ...]:
    """The objects of a stack of an app, ``previews`` or ``orders``, in their order.

    Args:
        app: The app.
        stack: The stack.
        mode: Mode of a preview's database.
        egress_by: How the hosts that the app reaches are told from others.
    """
    staging = platform() if app == "previews" else orders()
    if stack == "staging":
        return tuple(objects([staging]))
    if stack.startswith("data-"):
        config = {key: value for key, value in PREVIEW_CONFIG.items() if key != "expires"}
    else:
        config = PREVIEW_CONFIG | {
            "access": {"signIn": "cognito" if app == "previews" else "none"},
            "database": {**PREVIEW_CONFIG["database"], "mode": mode},
            "egressBy": egress_by,
        }
    return tuple(objects([_described(app, stack, config, staging)]))


def _described(app: str, stack: str, config: dict[str, Any], staging: Deployment) -> Deployment:
    with TemporaryDirectory() as folder:
        name = "" if app == "previews" else app
        Path(folder, "preview.yaml").write_text(
            _APP.format(name=name) if name else _APP.format(name="").replace("app: \n", "")
        )
        Path(folder, "Dockerfile").write_text("FROM scratch\n")
        Path(folder, "scrub.yaml").write_text("tables: {}\n")
        return deploy(
            stack,
            main,
            config=config | {"source": folder},
            cloud=Cloud(staging=staging.outputs),
            project=app,
        )
