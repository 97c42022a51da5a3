"""Which fields of which kinds cannot be changed in place.

The table is that of the real provider (``provider/pkg/provider/diff.go`` of
pulumi-kubernetes), where it also says that ConfigMaps and Secrets are replaced.
"""

from __future__ import annotations

from sandbox.providers.changes import Path

_METADATA: tuple[Path, ...] = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
)
_BY_KIND: dict[tuple[str, str], tuple[Path, ...]] = {
    ("", "ConfigMap"): (("binaryData",), ("data",)),
    ("", "PersistentVolumeClaim"): (("spec",),),
    ("", "ResourceQuota"): (("spec", "scopes"),),
    ("", "Secret"): (("type",), ("stringData",), ("data",)),
    ("", "Service"): (("spec", "clusterIP"),),
    ("apps", "DaemonSet"): (("spec", "selector"),),
    ("apps", "Deployment"): (("spec", "selector"),),
    ("apps", "StatefulSet"): (
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    ("batch", "Job"): (
        ("spec", "completions"),
        ("spec", "parallelism"),
        ("spec", "selector"),
        ("spec", "template"),
    ),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
}


def replacing_paths(api_version: str, kind: str) -> tuple[Path, ...]:
    """The fields whose change means deleting the object and making it anew."""
    group = api_version.rpartition("/")[0]
    return _METADATA + _BY_KIND.get((group, kind), ())
