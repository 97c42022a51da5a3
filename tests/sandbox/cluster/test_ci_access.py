"""CI's roles against the real API server: what they must be able to do, and what they can't."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx
import pytest

from contract.kubernetes import RESET_ANNOTATION
from infra.ci.admission import TOPICS
from tests.sandbox.cluster.attacks import (
    ATTACKS,
    GROUPS,
    ORDERS_PREVIEW,
    ORDERS_STAGING,
    PREVIEW,
    Attack,
    Change,
)
from tests.sandbox.cluster.running import Cluster
from tests.sandbox.cluster.stacks import declared
from tests.sandbox.cluster.test_new_cluster import apply
from tests.waiting import eventually

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

# What the platform declares for the whole cluster, by an administrator.
_OF_THE_CLUSTER = (
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
# Of other apps' staging: who may do what is changed by a person.
_BY_A_PERSON = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}

# Of a namespace's own guards, which refuse some attempts too.
_GUARDS = ("violates PodSecurity", "exceeded quota")

# AWS brings the definition along, and publishes it nowhere.
_HOSTS_POLICIES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "applicationnetworkpolicies.networking.k8s.aws",
        "annotations": {"api-approved.kubernetes.io": "unapproved"},
    },
    "spec": {
        "group": "networking.k8s.aws",
        "scope": "Namespaced",
        "names": {
            "kind": "ApplicationNetworkPolicy",
            "plural": "applicationnetworkpolicies",
            "singular": "applicationnetworkpolicy",
        },
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                },
            }
        ],
    },
}


@cache
def stacks(role: str) -> tuple[dict[str, Any], ...]:
    """The objects of the stacks that a role deploys, in their order."""
    if role == PREVIEW:
        return (
            *declared("previews", "pr-42"),
            *declared("previews", "pr-43", mode="branch"),
            *declared("previews", "pr-44", egress_by="name"),
        )
    if role == ORDERS_PREVIEW:
        return (*declared("orders", "pr-7"), *declared("orders", "pr-8", mode="branch"))
    return (*declared("orders", "staging"), *declared("orders", "data-8"))


class Roles:
    """Clients of the API server: an administrator's, and one for each role of CI."""

    def __init__(self, cluster: Cluster) -> None:
        self.admin = cluster.client()
        self._clients = {role: cluster.client() for role in GROUPS}
        for role, client in self._clients.items():
            client.headers.update({"Impersonate-User": "ci", "Impersonate-Group": GROUPS[role]})

    def __getitem__(self, role: str) -> httpx.Client:
        return self._clients[role]

    def close(self) -> None:
        for client in (self.admin, *self._clients.values()):
            client.close()


@pytest.fixture(scope="module")
def roles(cluster: Cluster) -> Iterator[Roles]:
    """The cluster as the platform has set it up, once its policies are enforced."""
    roles = Roles(cluster)
    try:
        _set_up(roles)
        yield roles
    finally:
        roles.close()


def _set_up(roles: Roles) -> None:
    platform = declared("previews", "staging")
    everything = [*platform, *declared("orders", "staging")]
    _put(roles.admin, _HOSTS_POLICIES)
    for kind in _OF_THE_CLUSTER:
        for document in (one for one in everything if one["kind"] == kind):
            _put(roles.admin, document)
    for document in platform:
        if document["kind"] == "Namespace":
            _put(roles.admin, document)
    # Policies take effect together: the last one that was made is looked for.
    probe = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "probe", "namespace": "default"},
    }
    eventually(
        lambda: "writes to namespaces" in apply(roles[PREVIEW], probe, dry=True).text,
        "the policies to be enforced",
    )


def _put(api: httpx.Client, document: Mapping[str, Any]) -> None:
    """Apply an object, once its kind is served."""
    eventually(
        lambda: apply(api, document, dry=True).status_code != httpx.codes.NOT_FOUND,
        f"{document['kind']} to be served",
    )
    answer = apply(api, document, dry=False)
    assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def deployed(roles: Roles) -> dict[str, list[str]]:
    """Refusals of what each role has to make, with all objects of its stacks made by itself."""
    return {role: list(_deploy(roles, role)) for role in GROUPS}


def _deploy(roles: Roles, role: str) -> Iterator[str]:
    for document in stacks(role):
        api = roles.admin if document["kind"] in _BY_A_PERSON else roles[role]
        answer = apply(api, document, dry=False)
        if not answer.is_success:
            yield f"{document['kind']} {document['metadata']['name']}: {answer.text}"
        if document["kind"] == "Namespace":
            _let_it_view(roles.admin, document["metadata"]["name"], GROUPS[role])


def _let_it_view(admin: httpx.Client, namespace: str, group: str) -> None:
    """Grant what EKS grants by its access policy, for the namespaces of the role's pattern."""
    _put(
        admin,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "amazon-eks-view-policy", "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "view",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        },
    )


@pytest.mark.parametrize("role", GROUPS)
def test_a_role_makes_every_object_of_its_stacks(deployed: dict[str, list[str]], role: str) -> None:
    assert deployed[role] == []


@pytest.mark.parametrize("role", GROUPS)
@pytest.mark.usefixtures("deployed")
def test_a_role_changes_every_object_of_its_stacks(roles: Roles, role: str) -> None:
    """As a second deployment does; what can't be changed is replaced."""
    for document in stacks(role):
        if document["kind"] not in _BY_A_PERSON:
            answer = apply(roles[role], document, dry=True)
            assert answer.status_code == 200, answer.text


def changed(document: Mapping[str, Any], values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """An object with other values; None removes one."""
    result = copy.deepcopy(dict(document))
    for (*way, last), value in values.items():
        place: Any = result
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last)] = value
        elif value is None:
            del place[last]
        else:
            place[last] = value
    return result


def of_a_stack(role: str, change: Change) -> dict[str, Any]:
    """The object of one of a role's stacks that a row changes."""
    return next(
        one
        for one in stacks(role)
        if one["kind"] == change.kind
        and (one["metadata"]["name"] == change.name or _begins(one, change.name))
    )


def _begins(document: Mapping[str, Any], beginning: str) -> bool:
    return beginning.endswith("-") and document["metadata"]["name"].startswith(beginning)


def attempt(api: httpx.Client, attack: Attack) -> httpx.Response:
    """Make the attempt of a row; nothing of it is kept."""
    if isinstance(attack.tries, Change):
        document = changed(of_a_stack(attack.role, attack.tries), attack.tries.values)
        return apply(api, document, dry=True)
    method, path, body = attack.tries
    options = {} if method == "GET" else {"dryRun": "All"}
    return api.request(method, path, params=options if "?" not in path else None, json=body)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda row: f"{row.what} as {row.role}")
@pytest.mark.usefixtures("deployed")
def test_an_attack_is_refused(roles: Roles, attack: Attack) -> None:
    answer = attempt(roles[attack.role], attack)
    assert answer.status_code in {403, 422}, answer.text
    assert attack.outcome in answer.json()["message"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda row: f"{row.what} as {row.role}")
@pytest.mark.usefixtures("deployed")
def test_an_attack_is_one_that_the_api_server_itself_lets_through(
    roles: Roles, attack: Attack
) -> None:
    """Of an administrator it is taken; otherwise the row would show nothing of the role."""
    answer = attempt(roles.admin, attack)
    if "cannot" in attack.outcome:
        assert answer.status_code not in {401, 403}, answer.text
    else:
        assert answer.is_success or any(one in answer.text for one in _GUARDS), answer.text


READ = [
    ("the pods of its preview", PREVIEW, "/api/v1/namespaces/pr-42/pods"),
    ("their events", PREVIEW, "/api/v1/namespaces/pr-42/events"),
    ("its Deployments", PREVIEW, "/apis/apps/v1/namespaces/pr-42/deployments"),
    ("its ReplicaSets", PREVIEW, "/apis/apps/v1/namespaces/pr-42/replicasets"),
    ("its Jobs", PREVIEW, "/apis/batch/v1/namespaces/pr-42/jobs"),
    ("its CronJobs", PREVIEW, "/apis/batch/v1/namespaces/pr-42/cronjobs"),
    ("its Ingress", PREVIEW, "/apis/networking.k8s.io/v1/namespaces/pr-42/ingresses"),
    ("its addresses", PREVIEW, "/apis/discovery.k8s.io/v1/namespaces/pr-42/endpointslices"),
    ("its quota", PREVIEW, "/api/v1/namespaces/pr-42/resourcequotas"),
    (
        "its ExternalSecrets",
        PREVIEW,
        "/apis/external-secrets.io/v1/namespaces/pr-42/externalsecrets",
    ),
    ("its database", PREVIEW, "/apis/previews.internal/v1alpha1/namespaces/pr-43/databasebranches"),
    (
        "what staging publishes",
        PREVIEW,
        "/api/v1/namespaces/staging/configmaps?fieldSelector=metadata.name%3Dplatform-outputs",
    ),
    ("all namespaces", PREVIEW, "/api/v1/namespaces"),
    ("the IngressClasses", PREVIEW, "/apis/networking.k8s.io/v1/ingressclasses"),
    (
        "the servers that it may clone from",
        PREVIEW,
        "/apis/previews.internal/v1alpha1/namespaces/branches/databasegenerations",
    ),
    ("the pods of its preview", ORDERS_PREVIEW, "/api/v1/namespaces/orders-pr-7/pods"),
    ("the pods of its staging", ORDERS_STAGING, "/api/v1/namespaces/orders-staging/pods"),
    ("the pods of its servers", ORDERS_STAGING, "/api/v1/namespaces/orders-branches/pods"),
    (
        "the clones of its servers",
        ORDERS_STAGING,
        "/apis/previews.internal/v1alpha1/databasebranches",
    ),
]


@pytest.mark.parametrize(
    ("role", "path"), [row[1:] for row in READ], ids=[f"{row[0]} as {row[1]}" for row in READ]
)
@pytest.mark.usefixtures("deployed")
def test_a_role_reads_what_it_must(roles: Roles, role: str, path: str) -> None:
    answer = roles[role].get(path)
    assert answer.status_code == 200, answer.text


def _merge(api: httpx.Client, path: str, change: dict[str, Any]) -> httpx.Response:
    headers = {"Content-Type": "application/merge-patch+json"}
    return api.patch(path, json=change, headers=headers)


@pytest.mark.usefixtures("deployed")
def test_a_role_resets_a_database(roles: Roles) -> None:
    """As `previews reset-db` does: a request, the migration once more, and new pods."""
    api = roles[PREVIEW]
    branch = "/apis/previews.internal/v1alpha1/namespaces/pr-43/databasebranches/database"
    requested = _merge(api, branch, {"metadata": {"annotations": {RESET_ANNOTATION: "a"}}})
    assert requested.status_code == 200, requested.text
    path = "/apis/batch/v1/namespaces/pr-43/jobs"
    found = api.get(path).json()["items"]
    job = next(one for one in found if one["metadata"]["name"].startswith("migrate-"))
    template = {"metadata": {"labels": {"app.kubernetes.io/name": "migrate"}}}
    again = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate-reset-a", "namespace": "pr-43"},
        "spec": {"template": {**template, "spec": job["spec"]["template"]["spec"]}},
    }
    made = api.post(path, json=again)
    assert made.status_code == 201, made.text
    restarted = {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}
    deployment = "/apis/apps/v1/namespaces/pr-43/deployments/service"
    assert _merge(api, deployment, restarted).status_code == 200


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.usefixtures("deployed")
def test_the_api_server_finds_no_mistake_in_an_expression(roles: Roles, name: str) -> None:
    """It compares each with the types of the fields that it names."""
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/previews-{name}"
    status = eventually(
        lambda: roles.admin.get(path).json().get("status", {}), "the expressions to be checked"
    )
    assert status.get("typeChecking", {}).get("expressionWarnings", []) == []


def test_a_role_removes_its_preview(roles: Roles, deployed: dict[str, list[str]]) -> None:
    """As `pulumi destroy` does: what ends in an order, then the namespace."""
    assert deployed[PREVIEW] == []
    api = roles[PREVIEW]
    for path in (
        "/apis/networking.k8s.io/v1/namespaces/pr-44/ingresses/service",
        "/apis/apps/v1/namespaces/pr-44/deployments/service",
        "/api/v1/namespaces/pr-44",
    ):
        assert api.delete(path).is_success, path
    eventually(
        lambda: api.get("/api/v1/namespaces/pr-44").status_code == 404, "the namespace to be gone"
    )


def test_each_topic_is_attacked() -> None:
    """A rule that no row breaks could be gone without a test that fails."""
    outcomes = [attack.outcome for attack in ATTACKS]
    expected = [
        validation["message"]
        for document in declared("previews", "staging")
        if document["kind"] == "ValidatingAdmissionPolicy"
        for validation in document["spec"]["validations"]
    ]
    unbroken = [
        message
        for message in expected
        if not any(re.sub(": .*$", "", outcome) in message for outcome in outcomes)
    ]
    assert unbroken == []
