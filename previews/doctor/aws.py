"""Judges what AWS has: the zone, the certificate, the load balancer, the state, the roles.

Reading is in small functions beside each judgement, so that tests judge without AWS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from previews.doctor.expected import STAGING_FILE, TRUSTED_WORKFLOWS
from previews.doctor.finding import Problem, Verdict, verdict
from previews.inventory.load_balancer import load_balancers

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.platform_outputs import PlatformOutputs
    from previews.doctor.expected import Expected, Source, StagingFile

_ISSUER = "token.actions.githubusercontent.com"
_ISSUED = "ISSUED"
# Without them ACM lists no certificate with any other key than RSA of 1024 or 2048 bits.
_KEY_TYPES = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
# RFC 5737 and RFC 2606 keep these for documentation; the committed file has them.
_EXAMPLE_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")
_EXAMPLE_DOMAINS = ("example.com", "example.net", "example.org")
_EXAMPLE_ZONE = "Z0123456789ABCDEFGHIJ"
_PUBLIC_ACCESS = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)


def configuration(file: StagingFile) -> Verdict:
    """Judge whether the configuration has values of one's own, not examples, and no secret."""

    def problems() -> Iterator[Problem]:
        if not file.domain or file.domain.endswith(_EXAMPLE_DOMAINS):
            yield Problem(
                f"domain is {file.domain or 'not set'}, an example", _configure("domain", "DOMAIN")
            )
        if file.needs_zone and file.dns.zone_id in {"", _EXAMPLE_ZONE}:
            yield Problem(
                f"dns.zoneId is {file.dns.zone_id or 'not set'}, an example",
                _configure("dns.zoneId", "ZONE"),
            )
        for key, networks in (
            ("cluster.apiCidrs", file.cluster.api_cidrs),
            ("access.cidrs", file.access.cidrs),
        ):
            examples = [one for one in networks if one.startswith(_EXAMPLE_NETWORKS)]
            if examples:
                yield Problem(
                    f"{key} has {', '.join(examples)}, an example",
                    _configure(f"{key}[0]", "NETWORK"),
                )
        for path in file.encrypted:
            # By the key of the state, which the role of a program that nobody has reviewed may use.
            yield Problem(
                f"{path} is encrypted in {STAGING_FILE}, and a pull request's program can read it",
                f"pulumi config rm --stack staging --path '{path}'   # keep it in Secrets Manager",
            )

    return verdict(f"{file.domain}, {_named(file)}", problems())


def _named(file: StagingFile) -> str:
    """Return the zone, or who makes what the program makes in one."""
    if file.needs_zone:
        return f"zone {file.dns.zone_id}"
    return "no zone: dns.zoneId is not set, so certificate and records are your own"


def _configure(path: str, value: str) -> str:
    return f"pulumi config set --stack staging --path 'previews:{path}' {value}"


class Zone(NamedTuple):
    """A hosted zone: its name without the last dot, and its name servers."""

    name: str
    servers: tuple[str, ...]


def read_zone(aws: Session, zone_id: str) -> Zone | None:
    """Return a hosted zone, None where there is none."""
    if not zone_id:
        return None
    try:
        found = aws.client("route53").get_hosted_zone(Id=zone_id)
    except ClientError as error:
        if _code(error) in {"NoSuchHostedZone", "InvalidInput"}:
            return None
        raise
    servers = found.get("DelegationSet", {}).get("NameServers", [])
    return Zone(found["HostedZone"]["Name"].rstrip("."), tuple(servers))


def zone(file: StagingFile, found: Zone | None) -> Verdict:
    """Judge whether the zone exists and holds the domain."""
    if not file.needs_zone:
        return verdict(_named(file), [])
    if found is None:
        return verdict(
            "",
            [
                Problem(
                    f"no hosted zone {file.dns.zone_id}",
                    f"aws route53 create-hosted-zone --name {file.domain}"
                    ' --caller-reference "$(date +%s)"; then'
                    f" {_configure('dns.zoneId', 'ZONE')}",
                )
            ],
        )
    if file.domain != found.name and not file.domain.endswith(f".{found.name}"):
        why = f"zone {file.dns.zone_id} is {found.name}, which does not hold {file.domain}"
        return verdict("", [Problem(why, _configure("dns.zoneId", "ZONE"))])
    return verdict(f"{found.name}, by {len(found.servers)} name servers", [])


def read_certificate(aws: Session, domain: str) -> str | None:
    """Return the best state of a certificate of a domain; None where there is none."""
    pages = (
        aws.client("acm")
        .get_paginator("list_certificates")
        .paginate(Includes={"keyTypes": _KEY_TYPES})
    )
    states = [
        str(one.get("Status", ""))
        for page in pages
        for one in page["CertificateSummaryList"]
        if one["DomainName"] == domain
    ]
    return next((state for state in states if state == _ISSUED), states[0] if states else None)


def certificate(platform: PlatformOutputs, state: str | None) -> Verdict:
    """Judge whether the certificate is issued, which proves that the zone is delegated, too."""
    if platform.ingress.protocol != "HTTPS":
        return verdict(f"none is needed for {platform.ingress.protocol}", [])
    domain = f"*.{platform.domain}"
    if state == _ISSUED:
        return verdict(f"{domain} is issued", [])
    if state is None:
        return verdict("", [Problem(f"there is none for {domain}", "pulumi up -s staging")])
    why = f"{domain} is {state.lower().replace('_', ' ')}"
    return verdict("", [Problem(why, _delegate(platform.domain))])


def _delegate(domain: str) -> str:
    return f"dig +short NS {domain}   # must list the zone's name servers: add them to the parent"


def read_load_balancers(aws: Session, platform: PlatformOutputs) -> int:
    """Return how many load balancers the platform's group has."""
    return sum(1 for _ in load_balancers(aws, platform.ingress.group))


def load_balancer(platform: PlatformOutputs, count: int) -> Verdict:
    """Judge whether the one load balancer of the group exists."""
    group = platform.ingress.group
    if count == 1:
        return verdict(f"one, of group {group}", [])
    if not count:
        remedy = "kubectl describe ingress -A   # its events have the controller's reason"
        return verdict("", [Problem(f"group {group} has none", remedy)])
    why = f"group {group} has {count}: annotations that differ make another one"
    return verdict("", [Problem(why, "pulumi preview -s staging --diff")])


class Bucket(NamedTuple):
    """Protection of a bucket: versions, encryption, each kind of public access that is blocked."""

    versioned: bool
    encrypted: bool
    blocked: frozenset[str]


def read_bucket(aws: Session, name: str) -> Bucket | None:
    """Return a bucket's protection, None where there is no such bucket."""
    s3 = aws.client("s3")
    try:
        versioning = s3.get_bucket_versioning(Bucket=name).get("Status")
    except ClientError as error:
        if _code(error) == "NoSuchBucket":
            return None
        raise
    encryption = _unless(
        "ServerSideEncryptionConfigurationNotFoundError",
        lambda: s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"],
    )
    access = _unless(
        "NoSuchPublicAccessBlockConfiguration",
        lambda: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
    )
    blocked = frozenset(key for key, value in (access or {}).items() if value)
    return Bucket(versioning == "Enabled", bool(encryption), blocked)


def bucket(name: str, found: Bucket | None) -> Verdict:
    """Judge the bucket that holds Pulumi's state."""
    if found is None:
        return verdict(
            "", [Problem(f"there is no bucket {name}", f"aws s3api create-bucket --bucket {name}")]
        )

    def problems() -> Iterator[Problem]:
        if not found.versioned:
            yield Problem(
                "it keeps no versions",
                f"aws s3api put-bucket-versioning --bucket {name}"
                " --versioning-configuration Status=Enabled",
            )
        if not found.encrypted:
            yield Problem(
                "it is not encrypted",
                f"aws s3api put-bucket-encryption --bucket {name}"
                " --server-side-encryption-configuration"
                " 'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=aws:kms}}]'",
            )
        if not found.blocked.issuperset(_PUBLIC_ACCESS):
            settings = ",".join(f"{key}=true" for key in _PUBLIC_ACCESS)
            yield Problem(
                "public access is not blocked",
                f"aws s3api put-public-access-block --bucket {name}"
                f" --public-access-block-configuration {settings}",
            )

    return verdict(f"{name}: versions, encryption, no public access", problems())


def read_key(aws: Session, alias: str) -> str | None:
    """Return the state of a KMS key, None where there is none of that alias."""
    try:
        described = aws.client("kms").describe_key(KeyId=alias)
    except ClientError as error:
        if _code(error) == "NotFoundException":
            return None
        raise
    return str(described["KeyMetadata"].get("KeyState", ""))


def key(alias: str, state: str | None, provider: str) -> Verdict:
    """Judge the key that encrypts the secrets in the state.

    Args:
        alias: Its alias.
        state: Its state; None where there is none of that alias.
        provider: Secrets provider of staging, from its file.
    """

    def problems() -> Iterator[Problem]:
        if state is None:
            yield Problem(
                f"there is no key {alias}",
                f"aws kms create-alias --alias-name {alias} --target-key-id"
                ' "$(aws kms create-key --query KeyMetadata.KeyId --output text)"',
            )
        elif state != "Enabled":
            yield Problem(f"{alias} is {state}", f"aws kms enable-key --key-id {alias}")
        if alias not in provider:
            yield Problem(
                f"{STAGING_FILE} encrypts with {provider or 'no key'}, and not {alias}",
                f"pulumi stack change-secrets-provider --stack staging awskms://{alias}",
            )

    return verdict(f"{alias}, enabled", problems())


def read_trust(aws: Session, role: str) -> dict[str, Any] | None:
    """Return the trust policy of a role, None where there is no such role."""
    try:
        found = aws.client("iam").get_role(RoleName=role)
    except ClientError as error:
        if _code(error) == "NoSuchEntity":
            return None
        raise
    return dict(found["Role"]["AssumeRolePolicyDocument"])  # type: ignore[arg-type] # botocore decodes it.


def trust(
    expected: Expected, kind: str, platform: Source | None, policy: Mapping[str, Any] | None
) -> list[Problem]:
    """Return what is wrong with the trust policy of an environment's role.

    It is compared in full with the policy that the program declares for the repository: one more
    statement, principal, operator or value is a fault.

    Args:
        expected: The app's repository.
        kind: Kind of the environment.
        platform: The repository whose workflow files the roles trust.
        policy: The policy; None where there is no role.
    """
    role, source = expected.role(kind), expected.source
    if source is None or platform is None:
        return [Problem(f"{role}: the configuration names no repository")]
    if policy is None:
        return [Problem(f"there is no role {role}", "pulumi up -s staging")]
    declared = _declared(expected, kind, source, platform)
    return [
        Problem(f"{role}: {fault}", "pulumi up -s staging --refresh   # shows who changed it")
        for fault in _differences(policy, declared)
    ]


def _declared(
    expected: Expected, kind: str, source: Source, platform: Source
) -> dict[str, list[str]]:
    references = [source.branch_ref]
    if not expected.app.is_platform:
        references = list(platform.references or (platform.branch_ref,))
    return {
        f"{_ISSUER}:aud": ["sts.amazonaws.com"],
        f"{_ISSUER}:sub": [f"{source.subject_prefix}:environment:{expected.environment(kind)}"],
        f"{_ISSUER}:repository_id": [source.repository_id],
        f"{_ISSUER}:ref": [source.branch_ref],
        f"{_ISSUER}:job_workflow_ref": [
            f"{platform.repository}/.github/workflows/{file}@{reference}"
            for reference in references
            for file in TRUSTED_WORKFLOWS[kind]
        ],
    }


def _differences(policy: Mapping[str, Any], declared: Mapping[str, list[str]]) -> Iterator[str]:
    statements = _listed(policy.get("Statement"))
    if len(statements) != 1:
        yield f"it has {len(statements)} statements in place of one"
        return
    statement = statements[0]
    if statement.get("Effect") != "Allow" or _listed(statement.get("Action")) != [
        "sts:AssumeRoleWithWebIdentity"
    ]:
        yield "it allows another action than sts:AssumeRoleWithWebIdentity"
    principal = statement.get("Principal")
    providers = _listed(principal.get("Federated")) if isinstance(principal, dict) else []
    alone = isinstance(principal, dict) and principal.keys() == {"Federated"}
    if not (alone and len(providers) == 1 and str(providers[0]).endswith(f"/{_ISSUER}")):
        yield "it trusts another principal than GitHub's identity provider"
    unknown = statement.keys() - {"Effect", "Action", "Principal", "Condition", "Sid"}
    if unknown:
        yield f"it has {', '.join(sorted(unknown))}"
    condition = statement.get("Condition") or {}
    if condition.keys() != {"StringEquals"}:
        yield f"its conditions are {', '.join(sorted(condition)) or 'none'}, not StringEquals alone"
    if "StringEquals" not in condition:
        return
    equals = condition["StringEquals"]
    for name in sorted(equals.keys() | declared.keys()):
        found = sorted(map(str, _listed(equals.get(name))))
        if found != sorted(declared.get(name, [])):
            short = name.rpartition(":")[2]
            yield f"{short} is {', '.join(found) or 'not compared'}"


def roles(problems: Sequence[Problem], expected: Expected) -> Verdict:
    """Judge all roles, from the problems of each."""
    return verdict(f"{len(expected.kinds)} roles trust this repository's workflows alone", problems)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unless(code: str, call: Any) -> Any:
    """Return a call's answer, None where AWS answers by a code that there is nothing."""
    try:
        return call()
    except ClientError as error:
        if _code(error) == code:
            return None
        raise
