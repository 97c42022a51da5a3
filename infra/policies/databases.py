"""Databases: encrypted, private, and nothing remains of a preview's."""

from __future__ import annotations

from collections.abc import Iterator

from infra.database.database import NO_EXTENDED_SUPPORT
from infra.policies.declared import Declared
from infra.policies.rule import Rule

INSTANCE = "aws:rds/instance:Instance"
CLUSTER = "aws:rds/cluster:Cluster"
CLUSTER_INSTANCE = "aws:rds/clusterInstance:ClusterInstance"


def encrypted(database: Declared) -> Iterator[str]:
    """Require encrypted storage, explicitly: AWS's default is unencrypted."""
    if database.get("storageEncrypted") is not True:
        yield "storageEncrypted is not true"


def private(database: Declared) -> Iterator[str]:
    """Require no public address, explicitly: the default depends on the subnets."""
    if database.get("publiclyAccessible") is not False:
        yield "publiclyAccessible is not false"


def final_snapshot(database: Declared) -> Iterator[str]:
    """Require a final snapshot of an original, and none of a copy of staging's data.

    A copy is any database of a preview, and any that was restored from a snapshot.
    """
    skips = database.get("skipFinalSnapshot") is True
    if database.in_preview or database.get("snapshotIdentifier"):
        if not skips:
            yield "a copy would leave a final snapshot behind: skipFinalSnapshot is not true"
        if database.get("deleteAutomatedBackups") is False:
            yield "a copy's automated backups would outlive it: deleteAutomatedBackups is false"
    elif skips or not database.get("finalSnapshotIdentifier"):
        yield "its data would be lost with it: it leaves no final snapshot"


def no_extended_support(database: Declared) -> Iterator[str]:
    """Require an upgrade at the end of standard support: AWS's default is paid extended support."""
    if database.get("engineLifecycleSupport") != NO_EXTENDED_SUPPORT:
        yield f"engineLifecycleSupport is not {NO_EXTENDED_SUPPORT}"


def password_kept_by_rds(database: Declared) -> Iterator[str]:
    """Require a master password that RDS generates; another would be in the state."""
    if database.get("password") or database.get("masterPassword"):
        yield "it sets a password, which would be in the state"
    if database.get("manageMasterUserPassword") is not True:
        yield "manageMasterUserPassword is not true"


RULES = (
    Rule(
        "database-encrypted",
        "A database's storage is encrypted.",
        encrypted,
        frozenset({INSTANCE, CLUSTER}),
    ),
    Rule(
        "database-private",
        "A database has no public address.",
        private,
        frozenset({INSTANCE, CLUSTER_INSTANCE}),
    ),
    Rule(
        "database-final-snapshot",
        "Staging's database leaves a final snapshot when it is deleted; a copy leaves none.",
        final_snapshot,
        frozenset({INSTANCE, CLUSTER}),
    ),
    Rule(
        "database-password-kept-by-rds",
        "A master's password is RDS's own, never Pulumi's.",
        password_kept_by_rds,
        frozenset({INSTANCE, CLUSTER}),
    ),
    Rule(
        "database-without-extended-support",
        "A database is upgraded when its version's standard support ends, not kept at a surcharge.",
        no_extended_support,
        frozenset({INSTANCE, CLUSTER}),
    ),
)
