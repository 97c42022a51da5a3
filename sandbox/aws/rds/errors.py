"""RDS's refusals, by the codes that its API documents."""

from __future__ import annotations

from moto.rds.exceptions import RDSClientError


def quota_exceeded(quota: int) -> RDSClientError:
    """One instance more than the region may have."""
    return RDSClientError(
        "InstanceQuotaExceeded",
        f"DB Instance quota exceeded: this region may have {quota} DB instances.",
    )


def wrong_instance_state(identifier: str, status: str, action: str) -> RDSClientError:
    """The instance is busy, or in no state for the action."""
    return RDSClientError(
        "InvalidDBInstanceState",
        f"Instance {identifier} is {status}: it cannot be {action} in this state.",
    )


def wrong_snapshot_state(identifier: str, status: str) -> RDSClientError:
    """The snapshot is still being made, or is being restored."""
    return RDSClientError(
        "InvalidDBSnapshotState", f"Snapshot {identifier} is {status}: expected available."
    )


def invalid_combination(message: str) -> RDSClientError:
    """Parameters that do not go together."""
    return RDSClientError("InvalidParameterCombination", message)


def invalid_value(message: str) -> RDSClientError:
    """A parameter's value that is not accepted."""
    return RDSClientError("InvalidParameterValue", message)


def not_offered(what: str) -> RDSClientError:
    """Something that RDS has and the sandbox has not."""
    return RDSClientError(
        "UnsupportedOperation",
        f"The sandbox's RDS has no {what}: it offers PostgreSQL instances, and snapshots of them.",
    )
