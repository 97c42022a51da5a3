"""Amazon's authorities of databases' certificates, for the drivers of an app.

With `verify-full` a driver proves the server by them. libpq, and so psycopg, and asyncpg read
``PGSSLROOTCERT``; for others there is the placeholder ``{ca_file}``.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core

from contract.app.values import AUTHORITIES_FOLDER
from infra.kubernetes.pod import MountedConfig
from infra.source import CHECKOUT

if TYPE_CHECKING:
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

VARIABLE = "PGSSLROOTCERT"
"""Variable that libpq and asyncpg read."""

_NAME = "database-authorities"
_KEY = "rds.pem"
FILE = f"{AUTHORITIES_FOLDER}/{_KEY}"
"""File in the app's containers."""

MOUNTED = MountedConfig("authorities", _NAME, AUTHORITIES_FOLDER)

_BUNDLE = CHECKOUT.folder / "database" / "rds-ca-bundle.pem"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


class DatabaseAuthorities(pulumi.ComponentResource):
    """A ConfigMap with the authorities of the platform's region.

    Attributes:
        ready: Resource that users of the ConfigMap depend on.
    """

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        scope: NamespaceScope,
        platform: PlatformInputs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the ConfigMap.

        Args:
            scope: Namespace of the ConfigMap.
            platform: The region.
        """
        super().__init__("previews:app:DatabaseAuthorities", name, None, opts)
        self.ready = core.v1.ConfigMap(
            _NAME,
            metadata=scope.metadata(_NAME),
            data={_KEY: pulumi.Output.from_input(platform.region).apply(authorities)},
            opts=scope.deleted_with_namespace(self),
        )
        self.register_outputs({})


def authorities(region: str) -> str:
    """Return the certificates of a region's authorities, in PEM.

    Their names contain the region. Those of all regions are 145 kB, which would be in the state of
    each stack.
    """
    found = _CERTIFICATE.findall(_BUNDLE.read_text())
    own = [one for one in found if region.encode() in ssl.PEM_cert_to_DER_cert(one)]
    return "".join(own or found)


def root_certificate(ssl_mode: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the value of `VARIABLE`: empty where the server is not proven.

    libpq proves the server with ``require`` too, if it is given authorities.
    """
    return pulumi.Output.from_input(ssl_mode).apply(
        lambda mode: FILE if mode.startswith("verify-") else ""
    )
