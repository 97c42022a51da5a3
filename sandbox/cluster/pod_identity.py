"""AWS credentials of Pods: what EKS's pod identity webhook adds to a Pod (IRSA).

https://github.com/aws/amazon-eks-pod-identity-webhook. Here the API server does it itself, by a
MutatingAdmissionPolicy: a Pod whose service account has a role gets a token of the account for
STS, and the variables by which AWS's SDKs find both. The sandbox adds the address of its APIs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.aws.identity import REGION
from sandbox.settings import Settings

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
"""Annotation of a service account with the role that its Pods assume."""

_NAME = "pod-identity-webhook"
_API = "admissionregistration.k8s.io/v1"
_FOLDER = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
_VOLUME = "aws-iam-token"
_AUDIENCE = "sts.amazonaws.com"
_TOKEN_SECONDS = 86400

_HAS_A_ROLE = (
    "params.metadata.name == object.spec.serviceAccountName"
    f" && has(params.metadata.annotations) && '{ROLE_ANNOTATION}' in params.metadata.annotations"
)


def documents(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the policy, and its binding to the service accounts of each Pod's namespace."""
    yield {
        "apiVersion": _API,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            "paramKind": {"apiVersion": "v1", "kind": "ServiceAccount"},
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ]
            },
            "matchConditions": [{"name": "has-a-role", "expression": _HAS_A_ROLE}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {"expression": _containers(settings)},
                },
                # A list of sources is set as a whole, which the other kind refuses.
                {"patchType": "JSONPatch", "jsonPatch": {"expression": _token()}},
            ],
        },
    }
    yield {
        "apiVersion": _API,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": _NAME},
        "spec": {
            "policyName": _NAME,
            # All of the Pod's namespace; the condition finds its own among them.
            "paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"},
        },
    }


def _containers(settings: Settings) -> str:
    return f"""Object{{spec: Object.spec{{
  containers: {_of_each("containers", settings)},
  initContainers: !has(object.spec.initContainers) ? [] : {_of_each("initContainers", settings)}
}}}}"""


def _token() -> str:
    """Return the patch that adds the volume with the token.

    Of maps: the API server can't convert a list of typed objects here, and panics.
    """
    volume = f"""{{
  'name': dyn('{_VOLUME}'),
  'projected': dyn({{'sources': [{{'serviceAccountToken': {{
    'audience': dyn('{_AUDIENCE}'), 'expirationSeconds': dyn({_TOKEN_SECONDS}), 'path': dyn('token')
  }}}}]}})
}}"""
    return f"""[has(object.spec.volumes)
  ? JSONPatch{{op: 'add', path: '/spec/volumes/-', value: {volume}}}
  : JSONPatch{{op: 'add', path: '/spec/volumes', value: [{volume}]}}]"""


def _of_each(containers: str, settings: Settings) -> str:
    """Return what each container gets; a variable that it sets itself is left alone."""
    entry = f"Object.spec.{containers}"
    variables = {
        "AWS_ROLE_ARN": f"params.metadata.annotations['{ROLE_ANNOTATION}']",
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"'{_FOLDER}/token'",
        "AWS_REGION": f"'{REGION}'",
        "AWS_DEFAULT_REGION": f"'{REGION}'",
        "AWS_STS_REGIONAL_ENDPOINTS": "'regional'",
        "AWS_ENDPOINT_URL": f"'{settings.aws_endpoint}'",
    }
    env = ", ".join(
        f"{entry}.env{{name: '{name}', value: {value}}}" for name, value in variables.items()
    )
    return (
        f"object.spec.{containers}.map(c, {entry}{{name: c.name,"
        f" env: [{env}].filter(e, !has(c.env) || !c.env.exists(own, own.name == e.name)),"
        f" volumeMounts: [{entry}.volumeMounts{{"
        f"name: '{_VOLUME}', mountPath: '{_FOLDER}', readOnly: true}}]}})"
    )
