"""Look-up of single resources by the names that the program gave them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from contract.stack_name import StackName
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from boto3.session import Session

    from previews.kubernetes import Cluster
    from previews.pulumi.state import Resource

_MISSING = frozenset(
    {
        "404",
        "DBInstanceNotFound",
        "ImageNotFoundException",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchPublicAccessBlockConfiguration",
        "OwnershipControlsNotFoundError",
    }
)
_KUBERNETES = "kubernetes:"
_PULUMI = "pulumi:"


class ResourceLookup:
    """The resources of one stack, at their providers."""

    def __init__(
        self, stack: str, *, aws: Callable[[], Session], cluster: Callable[[], Cluster]
    ) -> None:
        self._stack = stack
        # Made by what needs them alone: without staging there is neither.
        self._aws = aws
        self._cluster = cluster
        self._by_type: dict[str, Callable[[dict[str, Any]], str]] = {
            "aws:rds/instance:Instance": self._database,
            "aws:ec2/securityGroup:SecurityGroup": self._security_group,
            "aws:iam/role:Role": self._role,
            "aws:iam/rolePolicy:RolePolicy": self._role_policy,
            "aws:s3/bucket:Bucket": self._bucket("head_bucket"),
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls": self._bucket(
                "get_bucket_ownership_controls"
            ),
            "aws:s3/bucketPolicy:BucketPolicy": self._bucket("get_bucket_policy"),
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": self._bucket(
                "get_public_access_block"
            ),
            "docker-build:index:Image": self._image,
        }

    def identify(self, resource: Resource) -> str:
        """Return the provider's id of the resource; empty where it is proven absent.

        Raises:
            PreviewsError: Its type can't be looked up, or the provider does not respond.
        """
        if not resource.custom or resource.type.startswith(_PULUMI):
            # A component, or a provider's settings: they exist in the state alone.
            return ""
        look = self._by_type.get(resource.type)
        if resource.type.startswith(_KUBERNETES):
            look = self._kubernetes
        if look is None:
            raise PreviewsError(
                "recovery-unknown-type",
                f"{resource.type} {resource.urn.rpartition('::')[2]}",
                why="a killed run began to create it, and resources of this type can't be looked up"
                " automatically",
                remedy=f"look for it by hand, then: pulumi refresh --stack {self._stack},"
                " which asks whether it exists.",
            )
        try:
            return look(resource.inputs)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return ""
            raise _unanswered(resource, error) from error
        except (BotoCoreError, KeyError) as error:
            raise _unanswered(resource, error) from error

    def _database(self, inputs: dict[str, Any]) -> str:
        rds = self._aws().client("rds")
        response = rds.describe_db_instances(DBInstanceIdentifier=inputs["identifier"])
        return response["DBInstances"][0]["DBInstanceIdentifier"]

    def _security_group(self, inputs: dict[str, Any]) -> str:
        ec2 = self._aws().client("ec2")
        response = ec2.describe_security_groups(
            Filters=[
                {"Name": "group-name", "Values": [inputs["name"]]},
                {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
            ]
        )
        return response["SecurityGroups"][0]["GroupId"] if response["SecurityGroups"] else ""

    def _role(self, inputs: dict[str, Any]) -> str:
        iam = self._aws().client("iam")
        return iam.get_role(RoleName=inputs["name"])["Role"]["RoleName"]

    def _role_policy(self, inputs: dict[str, Any]) -> str:
        iam = self._aws().client("iam")
        role, name = inputs["role"], inputs["name"]
        found = iam.get_role_policy(RoleName=role, PolicyName=name)
        return f"{found['RoleName']}:{found['PolicyName']}"

    def _bucket(self, operation: str) -> Callable[[dict[str, Any]], str]:
        """Return the look-up of a bucket, or of a setting of it: each has the bucket's name."""

        def look(inputs: dict[str, Any]) -> str:
            getattr(self._aws().client("s3"), operation)(Bucket=inputs["bucket"])
            return str(inputs["bucket"])

        return look

    def _image(self, inputs: dict[str, Any]) -> str:
        """Delete the image: it can't be adopted, as only the build that made it has its ID.

        The next `up` builds the image that it needs.
        """
        for reference in inputs["tags"]:
            repository, _, tag = reference.partition("/")[2].rpartition(":")
            found = StackName.of_image_tag(tag)
            if found is not None and found.value == self._stack:
                self._aws().client("ecr").batch_delete_image(
                    repositoryName=repository, imageIds=[{"imageTag": tag}]
                )
        return ""

    def _kubernetes(self, inputs: dict[str, Any]) -> str:
        found = self._cluster().read(inputs)
        if found is None:
            return ""
        return f"{found.namespace}/{found.name}" if found.namespace else found.name


def _unanswered(resource: Resource, error: Exception) -> PreviewsError:
    return PreviewsError(
        "recovery-no-answer",
        f"{resource.type} {resource.urn.rpartition('::')[2]}",
        why=f"a killed run began to create it, and its provider does not respond: {error!r}",
        remedy="check the credentials and the region and run it again; nothing was changed.",
    )
