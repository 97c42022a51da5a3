"""Whether a resource that a program declared is there, found by the name that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from previews.errors import PreviewsError
from previews.inventory.registry import owner

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.pulumi.state import Resource

_MISSING = frozenset({"DBInstanceNotFound", "NoSuchEntity", "ImageNotFoundException"})
_KUBERNETES = "kubernetes:"
_PULUMI = "pulumi:"


class Live:
    """Looks for single resources of one stack."""

    def __init__(self, clients: Clients, stack: str) -> None:
        self._clients = clients
        self._stack = stack
        self._known: dict[str, Callable[[dict[str, Any]], str]] = {
            "aws:rds/instance:Instance": self._database,
            "aws:ec2/securityGroup:SecurityGroup": self._security_group,
            "aws:iam/role:Role": self._role,
            "aws:iam/rolePolicy:RolePolicy": self._role_policy,
            "docker-build:index:Image": self._image,
        }

    def identify(self, resource: Resource) -> str:
        """The provider's id of the resource; empty where it is proven not to be there.

        Raises:
            PreviewsError: It can't be looked for, or nobody answers.
        """
        if not resource.custom or resource.type.startswith(_PULUMI):
            # A component, or a provider's settings: they are nowhere but in the state.
            return ""
        look = self._known.get(resource.type)
        if resource.type.startswith(_KUBERNETES):
            look = self._kubernetes
        if look is None:
            raise PreviewsError(
                "recovery-unknown-type",
                f"{resource.type} {resource.urn.rpartition('::')[2]}",
                why="its creation was begun by a run that was killed, and nothing here knows how"
                " to look for one",
                remedy=f"look for it by hand, then: pulumi refresh --stack {self._stack},"
                " which asks what became of it.",
            )
        try:
            return look(resource.inputs)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return ""
            raise self._unanswered(resource, error) from error
        except (BotoCoreError, KeyError) as error:
            raise self._unanswered(resource, error) from error

    def _unanswered(self, resource: Resource, error: Exception) -> PreviewsError:
        return PreviewsError(
            "recovery-no-answer",
            f"{resource.type} {resource.urn.rpartition('::')[2]}",
            why=f"its creation was begun, and whether it is there can't be told: {error!r}",
            remedy="check the credentials and the region and run it again; nothing was changed.",
        )

    def _database(self, inputs: dict[str, Any]) -> str:
        rds = self._clients.aws.client("rds")
        answer = rds.describe_db_instances(DBInstanceIdentifier=inputs["identifier"])
        return answer["DBInstances"][0]["DBInstanceIdentifier"]

    def _security_group(self, inputs: dict[str, Any]) -> str:
        ec2 = self._clients.aws.client("ec2")
        answer = ec2.describe_security_groups(
            Filters=[
                {"Name": "group-name", "Values": [inputs["name"]]},
                {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
            ]
        )
        return answer["SecurityGroups"][0]["GroupId"] if answer["SecurityGroups"] else ""

    def _role(self, inputs: dict[str, Any]) -> str:
        iam = self._clients.aws.client("iam")
        return iam.get_role(RoleName=inputs["name"])["Role"]["RoleName"]

    def _role_policy(self, inputs: dict[str, Any]) -> str:
        iam = self._clients.aws.client("iam")
        role, name = inputs["role"], inputs["name"]
        found = iam.get_role_policy(RoleName=role, PolicyName=name)
        return f"{found['RoleName']}:{found['PolicyName']}"

    def _image(self, inputs: dict[str, Any]) -> str:
        """An image can't be taken over, as its id is known only to the build that made it.

        It is taken out of the registry; the next `up` builds what it needs.
        """
        for reference in inputs["tags"]:
            repository, _, tag = reference.partition("/")[2].rpartition(":")
            if owner(tag) == self._stack:
                self._clients.aws.client("ecr").batch_delete_image(
                    repositoryName=repository, imageIds=[{"imageTag": tag}]
                )
        return ""

    def _kubernetes(self, inputs: dict[str, Any]) -> str:
        metadata = inputs["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace")
        kind = f"{inputs['kind']}.{inputs['apiVersion']}"
        found = self._clients.cluster.find(kind, name, namespace=namespace)
        if found is None:
            return ""
        return f"{namespace}/{name}" if namespace else name
