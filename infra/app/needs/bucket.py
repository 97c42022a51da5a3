"""A bucket: S3, of the stack's own, which the app's pods use as an IAM role of their own.

A bucket and not a part of a shared one: an app has a setting for the name of its bucket, rarely
one for a prefix, and to delete the bucket is to delete all that the preview stored. S3 encrypts
each object with a key of its own (SSE-S3), always and without a request to KMS.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import iam, s3
from pulumi_kubernetes import core, networking

from contract.stack_name import StackKind
from infra.app.needs.need import ProvidedNeed
from infra.app.preview_namespace import NOT_OF_THE_APP, OF_THE_APP
from infra.bucket_access import ON_BUCKET, ON_OBJECTS
from infra.config.models import EgressBy
from infra.kubernetes.network_rules import hosts_policy, to_public_addresses
from infra.kubernetes.secret_reader import ROLE_ANNOTATION, boundary, trust_policy

if TYPE_CHECKING:
    from infra.app.needs.need import NeedArgs

ACCOUNT = "app"
"""Service account of the app's pods where they have a role in AWS."""

_EGRESS = "allow-app-to-bucket"
_HTTPS = 443


def provide_bucket(args: NeedArgs, opts: pulumi.ResourceOptions) -> ProvidedNeed:
    """Declare the bucket, the role and service account that use it, and the way to S3."""
    bucket = AppBucket("bucket", args=args, opts=opts)
    return ProvidedNeed(
        values={"bucket": bucket.name, "bucket_region": args.platform.region},
        ready=bucket.ready,
        outputs={"bucket": bucket.name},
        service_account=ACCOUNT,
    )


class AppBucket(pulumi.ComponentResource):
    """The bucket with all that guards it.

    Attributes:
        name: Its name.
        ready: Resources that the app's pods depend on.
    """

    name: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(
        self, name: str, *, args: NeedArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare them.

        Args:
            args: Stack, namespace and platform.
        """
        super().__init__("previews:needs:AppBucket", name, None, opts)
        self._args = args
        known = pulumi.Output.from_input(args.platform.cluster.oidc_provider_arn)
        bucket = s3.Bucket(
            "bucket",
            bucket=known.apply(lambda arn: args.stack.bucket(_account(arn))),
            # Staging's files are nobody's copy: a bucket with files is not deleted.
            force_destroy=args.stack.kind is StackKind.PREVIEW,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = bucket.bucket
        guards = self._guards(bucket)
        permission = self._role(bucket)
        self.ready = [*guards, *permission, self._egress()]
        self.register_outputs({"name": self.name})

    def _guards(self, bucket: s3.Bucket) -> list[pulumi.Resource]:
        """Close the bucket to the public, to other accounts and to connections without TLS.

        One after the other, since S3 refuses two changes of one bucket at once. They are deleted
        with it, so that it is never open for a moment.
        """

        def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, deleted_with=bucket, depends_on=[*resources])

        closed = s3.BucketPublicAccessBlock(
            "public-access",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=after(),
        )
        owned = s3.BucketOwnershipControls(
            "ownership",
            bucket=bucket.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=after(closed),
        )
        policy = s3.BucketPolicy(
            "policy",
            bucket=bucket.bucket,
            policy=bucket.arn.apply(over_tls),
            opts=after(owned),
        )
        return [bucket, closed, owned, policy]

    def _role(self, bucket: s3.Bucket) -> list[pulumi.Resource]:
        args, child = self._args, pulumi.ResourceOptions(parent=self)
        cluster = args.platform.cluster
        role = iam.Role(
            "role",
            name=args.stack.app_role,
            description=f"Uses the bucket of {args.stack} as its pods",
            assume_role_policy=pulumi.Output.all(
                cluster.oidc_provider_arn, cluster.oidc_issuer, args.scope.name
            ).apply(lambda known: trust_policy(known[0], known[1], known[2], ACCOUNT)),
            permissions_boundary=boundary(args.stack, args.platform),
            opts=child,
        )
        permission = iam.RolePolicy(
            "permission",
            name="use-the-bucket",
            role=role.name,
            policy=bucket.arn.apply(use_policy),
            opts=child,
        )
        account = core.v1.ServiceAccount(
            "account",
            metadata=args.scope.metadata(ACCOUNT, annotations={ROLE_ANNOTATION: role.arn}),
            # EKS gives the pods a token for AWS, which is none for the Kubernetes API.
            automount_service_account_token=False,
            opts=args.scope.deleted_with_namespace(self),
        )
        return [permission, account]

    def _egress(self) -> pulumi.Resource:
        """Allow the app's pods to connect to S3, and to STS for their credentials."""
        args = self._args
        opts = args.scope.deleted_with_namespace(self)
        metadata = args.scope.metadata(_EGRESS)
        if args.egress_by is EgressBy.NAME:
            hosts = pulumi.Output.all(self.name, args.platform.region).apply(
                lambda known: [(host, _HTTPS) for host in aws_hosts(known[0], known[1])]
            )
            return hosts_policy(
                _EGRESS,
                metadata=metadata,
                pods=[NOT_OF_THE_APP],
                hosts=hosts,
                platform=args.platform,
                opts=opts,
            )
        return networking.v1.NetworkPolicy(
            _EGRESS,
            metadata=metadata,
            spec=networking.v1.NetworkPolicySpecArgs(
                pod_selector=OF_THE_APP,
                policy_types=["Egress"],
                egress=[to_public_addresses([_HTTPS], args.platform)],
            ),
            opts=opts,
        )


def aws_hosts(bucket: str, region: str) -> list[str]:
    """Return the hosts by which SDKs reach a bucket and the STS of a region."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    hosts = [f"s3.{region}.{suffix}", f"{bucket}.s3.{region}.{suffix}", f"sts.{region}.{suffix}"]
    # Some SDKs name no region in the first one, unless they are told to.
    global_hosts = [f"s3.{suffix}", f"{bucket}.s3.{suffix}"] if region == "us-east-1" else []
    return [*hosts, *global_hosts]


def over_tls(bucket_arn: str) -> str:
    """Return the policy of a bucket: it allows nobody anything, and denies what is not TLS."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def use_policy(bucket_arn: str) -> str:
    """Return the policy of the role: this bucket's objects, and nothing of its settings."""
    statements = [
        {"Effect": "Allow", "Action": [*ON_BUCKET], "Resource": bucket_arn},
        {"Effect": "Allow", "Action": [*ON_OBJECTS], "Resource": f"{bucket_arn}/*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def _account(arn: str) -> str:
    """Return the account's number in any of its ARNs."""
    return arn.split(":")[4]
