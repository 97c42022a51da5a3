"""A preview's database in mode ``branch``: a clone on a server that previews share.

The preview only says in its own namespace that it wants one. The platform's controller, which
alone knows the server's master password, makes it under a name that follows from the
namespace, and gives the roles the passwords that the namespace made for them
(docs/decisions/0017-a-preview-only-requests-its-database.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from infra.database.branch_api import BRANCH, StatusResource
from infra.database.database import Database
from infra.database.provisioner import HandedOver
from infra.database.role_passwords import RolePasswords
from infra.errors import ProgramError
from infra.kubernetes.external_secret import WAIT_UNTIL_READY
from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.kubernetes.namespace_scope import Home
    from infra.platform_outputs import PlatformFacts

NAME = "database"

# One clone takes seconds, but they are made one after the other.
_CLAIM_SECONDS = 900


class BranchDatabase(pulumi.ComponentResource):
    """A claim on a database, and what the platform gave for it.

    Attributes:
        database: How it is reached.
        snapshot: Identifier of the snapshot that its template was made from.
        snapshot_created: When that was taken, RFC 3339.
        claim: The claim; what uses the database comes after it.
    """

    database: Database
    snapshot: pulumi.Output[str]
    snapshot_created: pulumi.Output[str]
    claim: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        home: Home,
        platform: PlatformFacts,
        pool_size: pulumi.Input[int],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the claim.

        Args:
            name: Pulumi's name of the component.
            stack: Whose names the roles get.
            home: The preview's namespace.
            platform: Where databases are handed out.
            pool_size: Connections that one pod may hold.
            after: What must be there first: the Secrets of the roles.
            opts: Pulumi's options.
        """
        super().__init__("previews:preview:BranchDatabase", name, None, opts)
        # Deleted by itself and not only with its namespace, so that a destroy waits for the
        # database to be dropped, and shows why when it can't be.
        behind = [] if home.namespace is None else [home.namespace]
        claim = StatusResource(
            "claim",
            kind=BRANCH,
            metadata=home.metadata(
                NAME, annotations={**WAIT_UNTIL_READY, TIMEOUT: str(_CLAIM_SECONDS)}
            ),
            spec={"servers": pulumi.Output.from_input(platform.branches_namespace).apply(offered)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*behind, *after]),
        )
        self.claim = claim
        self.snapshot = _said(claim.status, "snapshot")
        self.snapshot_created = _said(claim.status, "snapshotCreated")
        self.database = Database(
            host=_said(claim.status, "host"),
            name=stack.branch,
            # A claim that is made anew gets another database at the same address.
            origin=claim.metadata.apply(lambda metadata: str(metadata.get("uid", ""))),
            migrator_role=f"{stack.branch}_migrator",
            app_role=f"{stack.branch}_app",
            pool_size=pool_size,
        )
        self.register_outputs({"snapshot": self.snapshot, "snapshotCreated": self.snapshot_created})


@dataclass(frozen=True)
class BranchHandOver:
    """Passwords first, then the claim; the platform does the rest.

    Attributes:
        stack: Whose database it is.
        platform: Where databases are handed out.
    """

    stack: StackName
    platform: PlatformFacts

    def __call__(self, namespace: PreviewNamespace, parent: pulumi.Resource) -> HandedOver:
        """Declare the passwords and the claim."""
        child = pulumi.ResourceOptions(parent=parent)
        passwords = RolePasswords(
            "passwords",
            home=namespace.home,
            migrator_role=f"{self.stack.branch}_migrator",
            app_role=f"{self.stack.branch}_app",
            opts=child,
        )
        branch = BranchDatabase(
            "database",
            stack=self.stack,
            home=namespace.home,
            platform=self.platform,
            pool_size=self.platform.branches_pool_size,
            after=passwords.ready,
            opts=child,
        )
        return HandedOver(
            database=branch.database,
            ready=[*namespace.guards, branch.claim],
            checksum=passwords.checksum,
            snapshot=branch.snapshot,
            snapshot_created=branch.snapshot_created,
        )


def offered(namespace: str) -> str:
    """The namespace where databases are handed out.

    Raises:
        ProgramError: The platform hands out none.
    """
    if namespace:
        return namespace
    raise ProgramError(
        "config previews:database.mode",
        why="it is branch, but the platform hands out no databases in this mode",
        remedy="set it to snapshot, or turn the mode on: `pulumi config set --path "
        "previews:branches.enabled true -s staging`, `pulumi up -s staging`, `previews refresh`",
    )


def _said(status: pulumi.Output[Mapping[str, Any]], key: str) -> pulumi.Output[str]:
    return status.apply(lambda said: str((said or {}).get(key, "")))
