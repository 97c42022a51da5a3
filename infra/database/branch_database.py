"""Provisions a preview's database in mode ``branch``: a clone on a shared server.

The preview only creates a request in its own namespace. The platform's controller, which alone
has the server's master password, creates the database under a name that follows from the
namespace, and gives the roles the passwords that were generated in the namespace
(docs/decisions/0017-a-preview-only-requests-its-database.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from contract.kubernetes import BRANCH_KIND
from infra.database.branch_api import StatusResource
from infra.database.database import Database, ProvisionedDatabase
from infra.database.role_passwords import RolePasswords
from infra.errors import ProgramError
from infra.kubernetes.external_secret import WAIT_UNTIL_READY
from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

NAME = "database"

# One clone takes seconds, but they are made one after the other.
_REQUEST_SECONDS = 900


class BranchDatabase(pulumi.ComponentResource):
    """A request for a database, and the database that the platform provides for it.

    Attributes:
        database: The database.
        snapshot: Identifier of the snapshot that its template was made from.
        snapshot_created: Time of the snapshot, RFC 3339.
        request: The request; users of the database depend on it.
    """

    database: Database
    snapshot: pulumi.Output[str]
    snapshot_created: pulumi.Output[str]
    request: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        scope: NamespaceScope,
        platform: PlatformInputs,
        pool_size: pulumi.Input[int],
        extensions: Sequence[str],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the request.

        Args:
            stack: Stack that the roles are named after.
            scope: The preview's namespace.
            platform: The shared servers.
            pool_size: Connections that one pod may hold.
            extensions: Extensions of PostgreSQL that the app needs.
            depends_on: Secrets of the roles.
        """
        super().__init__("previews:preview:BranchDatabase", name, None, opts)
        # Deleted on its own and not only with its namespace, so that a destroy waits until the
        # database is dropped, and shows the reason when it can't be.
        namespace = [] if scope.namespace is None else [scope.namespace]
        request = StatusResource(
            "claim",
            kind=BRANCH_KIND,
            metadata=scope.metadata(
                NAME, annotations={**WAIT_UNTIL_READY, TIMEOUT: str(_REQUEST_SECONDS)}
            ),
            spec={
                "servers": pulumi.Output.all(
                    platform.branches.namespace, platform.branches.extensions
                ).apply(lambda known: _servers(known[0], known[1], extensions))
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*namespace, *depends_on]),
        )
        self.request = request
        self.snapshot = _status_value(request.status, "snapshot")
        self.snapshot_created = _status_value(request.status, "snapshotCreated")
        self.database = Database(
            host=_status_value(request.status, "host"),
            name=stack.branch,
            # A recreated request gets another database at the same address.
            origin=request.metadata.apply(lambda metadata: str(metadata.get("uid", ""))),
            migrator_role=stack.branch_migrator,
            app_role=stack.branch_app,
            pool_size=pool_size,
        )
        self.register_outputs({"snapshot": self.snapshot, "snapshotCreated": self.snapshot_created})


def provision_branch_database(
    *,
    stack: StackName,
    namespace: PreviewNamespace,
    platform: PlatformInputs,
    pool_size: pulumi.Input[int],
    extensions: Sequence[str],
    parent: pulumi.Resource,
) -> ProvisionedDatabase:
    """Declare the passwords, then the request; the platform does the rest.

    Args:
        stack: Stack that owns the database.
        namespace: Namespace of the Secrets and the request.
        platform: The shared servers.
        pool_size: Connections that one pod may hold.
        extensions: Extensions of PostgreSQL that the app needs.
        parent: Component that all of it belongs to.
    """
    child = pulumi.ResourceOptions(parent=parent)
    passwords = RolePasswords(
        "passwords",
        scope=namespace.scope,
        migrator_role=stack.branch_migrator,
        app_role=stack.branch_app,
        opts=child,
    )
    branch = BranchDatabase(
        "database",
        stack=stack,
        scope=namespace.scope,
        platform=platform,
        pool_size=pool_size,
        extensions=extensions,
        depends_on=passwords.ready,
        opts=child,
    )
    return ProvisionedDatabase(
        database=branch.database,
        ready=[*namespace.guards, branch.request],
        checksum=passwords.checksum,
        snapshot=branch.snapshot,
        snapshot_created=branch.snapshot_created,
    )


def branches_namespace(namespace: str) -> str:
    """Return the branch controller's namespace.

    Raises:
        ProgramError: The platform has no shared servers.
    """
    if namespace:
        return namespace
    raise ProgramError(
        "config previews:database.mode",
        why="it is branch, but the platform provides no databases in this mode",
        remedy="set it to snapshot, or turn the mode on: `pulumi config set --path "
        "previews:branches.enabled true -s staging`, `pulumi up -s staging`, `previews refresh`",
    )


def _servers(namespace: str, provided: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the branch controller's namespace, once it is known to provide all extensions.

    Raises:
        ProgramError: There are no shared servers, or their clones lack an extension.
    """
    found = branches_namespace(namespace)
    if lacking := [one for one in wanted if one not in provided]:
        raise ProgramError(
            "preview.yaml, database.extensions",
            why=f"{', '.join(lacking)}: a database in mode branch has the extensions of staging's"
            " preview.yaml, which has no such entry",
            remedy="merge and deploy staging first, or label the pull request preview-db-snapshot;"
            " a preview that is up keeps its mode until it is destroyed",
        )
    return found


def _status_value(status: pulumi.Output[Mapping[str, Any]], key: str) -> pulumi.Output[str]:
    return status.apply(lambda known: str((known or {}).get(key, "")))
