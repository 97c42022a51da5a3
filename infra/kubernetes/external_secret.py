"""Objects of the External Secrets Operator, which Pulumi awaits until they are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions

from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.kubernetes.namespace_scope import NamespaceScope

API = "external-secrets.io/v1"

WAIT_UNTIL_READY = {
    "pulumi.com/waitFor": "condition=Ready",
    TIMEOUT: "180",
}
"""Annotations with which Pulumi waits for the condition that the operator sets."""


_GENERATORS_API = "generators.external-secrets.io/v1alpha1"


def password_generator(
    name: str, *, scope: NamespaceScope, parent: pulumi.Resource
) -> apiextensions.CustomResource:
    """Declare a generator of random passwords.

    Without symbols no shell, URL or DSN has to escape one; 40 of 62 characters are 238 bits.

    Args:
        name: Name of the object.
        scope: Namespace of the object.
        parent: Component that it belongs to.
    """
    return apiextensions.CustomResource(
        "generator",
        api_version=_GENERATORS_API,
        kind="Password",
        metadata=scope.metadata(name),
        spec={"length": 40, "digits": 10, "symbols": 0, "noUpper": False, "allowRepeat": True},
        opts=scope.deleted_with_namespace(parent),
    )


def generated_spec(secret: str, generator: str, data: Mapping[str, str]) -> dict[str, object]:
    """Return the spec of an ExternalSecret with a random password.

    It is generated once: another one would lock out running pods until the roles are altered too.
    The policy alone does not ensure that: the operator reads the ExternalSecret's status, and when
    the creation of the Secret triggers it before its cache has that status, it generates another
    password. An immutable Secret never gets one.

    Args:
        secret: Name of the Secret.
        generator: Name of the generator.
        data: Keys of the Secret and their templates; ``{{ .password }}`` is the password.
    """
    return {
        "refreshPolicy": "CreatedOnce",
        "target": {
            "name": secret,
            "creationPolicy": "Owner",
            "immutable": True,
            "template": {"engineVersion": "v2", "data": dict(data)},
        },
        "dataFrom": [
            {
                "sourceRef": {
                    "generatorRef": {
                        "apiVersion": _GENERATORS_API,
                        "kind": "Password",
                        "name": generator,
                    }
                }
            }
        ],
    }


def external_secret(
    name: str,
    spec: dict[str, object],
    *,
    scope: NamespaceScope,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
) -> apiextensions.CustomResource:
    """Declare an ExternalSecret.

    Args:
        name: Name of the object, and of the resource.
        spec: Its spec.
        scope: Namespace of the object.
        parent: Component that it belongs to.
        depends_on: Resources that it depends on.
    """
    return apiextensions.CustomResource(
        name,
        api_version=API,
        kind="ExternalSecret",
        metadata=scope.metadata(name, annotations=WAIT_UNTIL_READY),
        spec=spec,
        opts=scope.deleted_with_namespace(parent, depends_on=depends_on),
    )
