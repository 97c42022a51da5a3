"""A Pod whose service account has a role of AWS: EKS's pod identity, on a real cluster."""

from __future__ import annotations

import base64
import json

import pytest

from sandbox.settings import OIDC_ISSUER
from tests.sandbox.node.control_plane import World
from tests.sandbox.node.pods import Namespace, container

pytestmark = pytest.mark.sandbox

ROLE = "arn:aws:iam::123456789012:role/pr-42-app"
SHOW = "env | grep ^AWS_; cat $AWS_WEB_IDENTITY_TOKEN_FILE"


def account(namespace: Namespace, name: str, **annotations: str) -> None:
    body = {"metadata": {"name": name, "annotations": annotations}}
    namespace.create(f"{namespace.base}/serviceaccounts", body)


def test_a_pod_gets_the_role_of_its_account_and_a_token_for_it(
    namespace: Namespace, world: World
) -> None:
    account(namespace, "app", **{"eks.amazonaws.com/role-arn": ROLE})
    account(namespace, "other", **{"eks.amazonaws.com/role-arn": f"{ROLE}-other"})

    namespace.run("one", container(SHOW), serviceAccountName="app", restartPolicy="Never")
    namespace.until_phase("one", "Succeeded")
    *lines, token = namespace.logs("one").splitlines()

    assert dict(line.split("=", 1) for line in lines) == {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_ENDPOINT_URL": world.settings.aws_endpoint,
    }
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["iss"], claims["aud"]) == (OIDC_ISSUER, ["sts.amazonaws.com"])
    assert claims["sub"] == f"system:serviceaccount:{namespace.name}:app"
    assert claims["exp"] - claims["iat"] == pytest.approx(86400, abs=5)


def test_init_containers_get_it_too_and_what_a_container_sets_itself_stays(
    namespace: Namespace,
) -> None:
    account(namespace, "app", **{"eks.amazonaws.com/role-arn": ROLE})
    own = [{"name": "AWS_REGION", "value": "eu-west-1"}, {"name": "X", "value": "y"}]
    namespace.run(
        "two",
        container("echo $AWS_REGION $X $AWS_ROLE_ARN", env=own),
        initContainers=[container("echo $AWS_REGION $AWS_ROLE_ARN", name="first")],
        serviceAccountName="app",
        restartPolicy="Never",
    )
    namespace.until_phase("two", "Succeeded")
    assert namespace.logs("two").split() == ["eu-west-1", "y", ROLE]
    spec = namespace.pod("two")["spec"]
    assert [one["name"] for one in spec["initContainers"][0]["env"]][:2] == [
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ]


@pytest.mark.parametrize("annotations", [{}, {"eks.amazonaws.com/audience": "x"}])
def test_a_pod_of_an_account_without_a_role_gets_nothing(
    namespace: Namespace, annotations: dict[str, str]
) -> None:
    account(namespace, "with", **{"eks.amazonaws.com/role-arn": ROLE})
    account(namespace, "without", **annotations)
    namespace.run("three", container("env"), serviceAccountName="without", restartPolicy="Never")
    namespace.until_phase("three", "Succeeded")
    assert "AWS_" not in namespace.logs("three")
    assert "volumes" not in namespace.pod("three")["spec"]
