from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from boto3.session import Session
from moto import mock_aws
from pydantic import SecretStr

from contract.stack_name import PLATFORM_APP, AppName
from previews import inventory
from previews.errors import PreviewsError
from previews.github import GitHub
from previews.inventory.dns import Dns
from previews.inventory.ec2 import Ec2
from previews.inventory.github_traces import GitHubTraces
from previews.inventory.iam import Iam
from previews.inventory.item import Item, owner_by_name, preview
from previews.inventory.load_balancer import LoadBalancer
from previews.inventory.rds import Rds
from previews.inventory.registry import Registry, owner
from previews.inventory.s3 import S3
from previews.inventory.secrets import Secrets
from previews.settings import Settings
from tests.github import Fault, LocalGitHub
from tests.previews.answers import REPOSITORY
from tests.previews.world import Named

OURS = Named(REPOSITORY)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)


def manifest(number: int) -> str:
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    config = {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 1,
        "digest": f"sha256:{number:064x}",
    }
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [config]})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Session(region_name="us-east-1")


def tags(**more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in more.items()]


def lines(*looked: inventory.ResourceFinder) -> list[str]:
    return [f"{item.stack} {item.kind} {item.by}" for item in inventory.look(looked)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pr-42", "pr-42"),
        ("staging", None),
        ("pr-042", None),
        ("pr-", None),
        ("PR-42", None),
        ("pr-42-database", None),
        ("", None),
    ],
)
def test_only_a_previews_name_is_one(text: str, expected: str | None) -> None:
    assert preview(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pr-42", "pr-42"),
        ("pr-42-database", "pr-42"),
        ("staging-database", None),
        ("pr-42-other", None),
        ("my-pr-42", None),
    ],
)
def test_a_name_is_made_from_a_previews(name: str, expected: str | None) -> None:
    assert owner_by_name(name, "-database") == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (f"pr-42-{'a' * 40}", "pr-42"),
        (f"pr-42-{'a' * 40}-12345678", "pr-42"),
        (f"pr-42-{'a' * 40}-12345678901-2", "pr-42"),
        (f"staging-{'a' * 40}", None),
        ("pr-42-latest", None),
        ("pr-42", None),
        ("latest", None),
    ],
)
def test_an_image_belongs_to_the_preview_in_its_tag(tag: str, expected: str | None) -> None:
    assert owner(tag, PLATFORM_APP) == expected


def make_database(aws: Session, identifier: str, **more: str) -> None:
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=identifier,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="postgres",
        ManageMasterUserPassword=True,
        Tags=tags(**more),
    )


def test_databases_are_found_by_tag_and_by_name_and_removed(aws: Session) -> None:
    make_database(aws, "pr-42", stack="pr-42", repository=REPOSITORY, expires="2030-01-01")
    make_database(aws, "pr-43")
    make_database(aws, "renamed", stack="pr-44", repository=REPOSITORY)
    make_database(aws, "pr-45", stack="pr-45", repository="acme/other")
    make_database(aws, "staging", stack="staging", repository=REPOSITORY)
    aws.client("rds").create_db_snapshot(
        DBSnapshotIdentifier="before-the-fix", DBInstanceIdentifier="pr-43"
    )
    rds = Rds(aws, OURS)
    assert lines(rds) == [
        "pr-42 instance tag",
        "pr-43 instance name",
        "pr-43 snapshot name",
        "pr-44 instance tag",
    ]
    found = inventory.look([rds])
    assert found[0].expires == "2030-01-01"
    assert [(item.counts, bool(item.keep)) for item in found if item.kind == "snapshot"] == [
        (False, True)
    ]
    inventory.remove([rds], found[0])
    inventory.remove([rds], found[0])
    assert "pr-42 instance tag" not in lines(rds)


def test_security_groups(aws: Session) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    def make(name: str, **more: str) -> None:
        group = ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"]
        if more:
            ec2.create_tags(Resources=[group], Tags=tags(**more))

    make("pr-42-database", stack="pr-42", repository=REPOSITORY)
    make("pr-43-database")
    make("staging-database", stack="staging")
    make("pr-44-database", stack="pr-44", repository="acme/other")
    place = Ec2(aws, OURS)
    assert lines(place) == ["pr-42 security group tag", "pr-43 security group name"]
    for item in inventory.look([place]):
        inventory.remove([place], item)
        inventory.remove([place], item)
    assert lines(place) == []


def test_secrets(aws: Session) -> None:
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="pr-42/token", SecretString="x")
    secrets.create_secret(Name="other", SecretString="x", Tags=tags(stack="pr-43"))
    secrets.create_secret(Name="staging", SecretString="x")
    arn = "arn:aws:rds:us-east-1:123456789012:db:pr-44"
    managed = {"aws:rds:primaryDBInstanceArn": arn, "aws:secretsmanager:owningService": "rds"}
    secrets.create_secret(Name="rds!db-1", SecretString="x", Tags=tags(**managed))
    place = Secrets(aws, OURS)
    assert lines(place) == ["pr-42 secret name", "pr-43 secret tag", "pr-44 secret name"]
    first, _, last = inventory.look([place])
    assert "RDS deletes it" in last.keep
    inventory.remove([place], first)
    inventory.remove([place], first)
    assert lines(place) == ["pr-43 secret tag", "pr-44 secret name"]


def test_images(aws: Session) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="previews")
    for number, tag in enumerate([f"pr-42-{'a' * 40}", f"staging-{'b' * 40}", "latest"]):
        ecr.put_image(repositoryName="previews", imageManifest=manifest(number), imageTag=tag)
    place = Registry(aws, OURS, "previews")
    assert lines(place) == ["pr-42 image name"]
    (item,) = inventory.look([place])
    # CI's images are in no state: they are for `previews destroy` to delete, and no obstacle to it.
    assert (item.keep, item.counts) == ("", False)
    inventory.remove([place], item)
    inventory.remove([place], item)
    assert lines(place) == []
    assert len(ecr.list_images(repositoryName="previews")["imageIds"]) == 2


def test_an_image_that_the_registry_keeps_is_told(
    aws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Registry(aws, OURS, "previews")
    failure = {"failureCode": "ImageReferencedByManifestList", "failureReason": "referenced"}
    monkeypatch.setattr(
        place._ecr, "batch_delete_image", lambda **_: {"imageIds": [], "failures": [failure]}
    )
    item = Item(stack="pr-42", place="ECR", kind="image", id="previews:pr-42-abc", by="name")
    with pytest.raises(PreviewsError, match="referenced"):
        inventory.remove([place], item)


def test_a_registry_that_is_not_there_is_no_empty_one(aws: Session) -> None:
    with pytest.raises(PreviewsError, match="ECR"):
        inventory.look([Registry(aws, OURS, "no-such-repository")])


def test_roles_go_with_what_is_in_them(aws: Session) -> None:
    iam = aws.client("iam")
    mine = tags(repository=REPOSITORY)
    iam.create_role(RoleName="pr-42-secrets", AssumeRolePolicyDocument="{}", Tags=mine)
    iam.put_role_policy(RoleName="pr-42-secrets", PolicyName="read", PolicyDocument=POLICY)
    for name in ("pr-42-app", "pr-42-app-secrets", "staging-secrets", "staging-app"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    theirs = tags(repository="acme/other")
    iam.create_role(RoleName="pr-43-secrets", AssumeRolePolicyDocument="{}", Tags=theirs)
    place = Iam(aws, OURS)
    assert lines(place) == [*["pr-42 role name"] * 3, "pr-43 role name"]
    for item in inventory.look([place]):
        inventory.remove([place], item)
    names = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    assert names == {"staging-app", "staging-secrets", "pr-43-secrets"}


def make_bucket(aws: Session, name: str, **more: str) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    if more:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags(**more)})


def test_buckets_go_with_every_version_of_what_is_in_them(aws: Session) -> None:
    s3 = aws.client("s3")
    make_bucket(aws, "pr-42-123456789012", repository=REPOSITORY, expires="2030-01-01")
    make_bucket(aws, "pr-43-123456789012")
    make_bucket(aws, "pr-44-123456789012", stack="pr-44", repository="acme/other")
    others = ("staging-123456789012", "orders-pr-42-123456789012", "pr-42", "pr-42-12345678901")
    for name in (*others, "pr-0-123456789012", "pr-42-x-123456789012"):
        make_bucket(aws, name)
    s3.put_bucket_versioning(
        Bucket="pr-42-123456789012", VersioningConfiguration={"Status": "Enabled"}
    )
    for number in range(1003):
        s3.put_object(Bucket="pr-42-123456789012", Key=f"{number % 1002}", Body=b"x")
    s3.delete_object(Bucket="pr-42-123456789012", Key="1")

    place = S3(aws, OURS)
    assert lines(place) == ["pr-42 bucket name", "pr-43 bucket name"]
    found = inventory.look([place])
    assert [item.expires for item in found] == ["2030-01-01", ""]
    for item in [*found, found[0]]:
        inventory.remove([place], item)
    left = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert left == {*others, "pr-44-123456789012", "pr-0-123456789012", "pr-42-x-123456789012"}
    assert lines(S3(aws, OURS, AppName("orders"))) == ["orders-pr-42 bucket name"]


def test_a_bucket_that_is_written_while_it_is_emptied_is_emptied_again(aws: Session) -> None:
    make_bucket(aws, "pr-42-123456789012")
    aws.client("s3").put_object(Bucket="pr-42-123456789012", Key="a", Body=b"")
    place = S3(aws, OURS)
    empty, written = place._empty, iter([True])

    def late(bucket: str) -> None:
        empty(bucket)
        if next(written, False):
            aws.client("s3").put_object(Bucket=bucket, Key="late", Body=b"")

    place._empty = late  # type: ignore[method-assign]
    (item,) = place.find()
    place.remove(item)
    assert list(place.find()) == []


def test_a_bucket_that_something_goes_on_writing_to_ends_the_removal(
    aws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was emptied again and again without a pause, until the workflow's time was over."""
    make_bucket(aws, "pr-42-123456789012")
    monkeypatch.setattr("previews.inventory.s3._PAUSE_SECONDS", 0)
    place = S3(aws, OURS)
    empty, times = place._empty, iter(range(1000))

    def late(bucket: str) -> None:
        empty(bucket)
        aws.client("s3").put_object(Bucket=bucket, Key=f"log/{next(times)}", Body=b"")

    place._empty = late  # type: ignore[method-assign]
    (item,) = place.find()
    with pytest.raises(PreviewsError, match=r"log/4, written at 20\d\d-") as error:
        inventory.remove([place], item)
    assert error.value.code == "bucket-written"
    assert next(times) == 5


def test_target_groups_are_known_by_the_controllers_tag(aws: Session) -> None:
    elb, ec2 = aws.client("elbv2"), aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for name, namespace in (("k8s-pr42-s", "pr-42"), ("k8s-staging-s", "staging")):
        resource = {"ingress.k8s.aws/resource": f"{namespace}/service-service:http"}
        elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=vpc, Tags=tags(**resource)
        )
    place = LoadBalancer(aws, OURS)
    assert lines(place) == ["pr-42 target group name"]
    assert "controller" in inventory.look([place])[0].keep


def test_records_below_the_domain(aws: Session) -> None:
    route53 = aws.client("route53")
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    names = ["*.preview.example.com", "pr-42.preview.example.com", "pr-43.example.com"]
    route53.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={
            "Changes": [
                {
                    "Action": "CREATE",
                    "ResourceRecordSet": {
                        "Name": name,
                        "Type": "A",
                        "TTL": 60,
                        "ResourceRecords": [{"Value": "192.0.2.1"}],
                    },
                }
                for name in names
            ]
        },
    )
    place = Dns(aws, OURS, "preview.example.com")
    assert lines(place) == ["pr-42 record name"]
    (item,) = inventory.look([place])
    inventory.remove([place], item)
    assert lines(place) == []


def test_without_an_answer_nothing_is_known(aws: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        place = Ec2(Session(region_name="us-east-1"), OURS)
        with pytest.raises(PreviewsError) as raised:
            inventory.look([place])
    assert raised.value.code == "aws-failed"
    assert raised.value.what == "EC2"


def test_an_environment_that_the_token_may_not_delete_is_nothing_to_come_back_for() -> None:
    with LocalGitHub() as server:
        environment = server.environment
        token, repository = environment["GITHUB_TOKEN"], environment["GITHUB_REPOSITORY"]
        settings = Settings.read(
            github_token=token, github_repository=repository, github_api_url=server.url
        )
        github = GitHub(settings)
        github.deployments.create("a" * 40, "staging")
        for sha in ("b" * 40, "c" * 40):
            github.deployments.create(sha, "pr-42")
        place = GitHubTraces(github)
        assert lines(place) == ["pr-42 deployments name"]
        (item,) = inventory.look([place])
        inventory.remove([place], item)
        assert "pr-42" in server.state.environments
        assert lines(place) == []
        assert len(server.state.deployments_to("staging")) == 1

        server.state.add_token("of-an-app", administration=True)
        may = GitHub(settings.model_copy(update={"github_token": SecretStr("of-an-app")}))
        inventory.remove([GitHubTraces(may)], item)
        assert "pr-42" not in server.state.environments


def test_what_a_repository_made_before_it_was_renamed_is_its_own(
    aws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of another's is, even of one that has taken the former name."""
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.rename("acme/shop")
        monkeypatch.setenv("GITHUB_REPOSITORY", "acme/shop")
        hub.state.others = {"acme/other": 7}
        for number, repository in enumerate(
            ("acme/orders", "ACME/Shop", "acme/shop", "acme/other", "acme/unknown"), 41
        ):
            name = f"pr-{number}"
            make_database(aws, name, stack=name, repository=repository)
        places = [Rds(aws, GitHub(Settings.read()).repository)]
        assert lines(*places) == [f"pr-{number} instance tag" for number in (41, 42, 43)]
        reads = [path for _, path in hub.requests if path == "/repos/acme/orders"]
        assert lines(*places)[0].startswith("pr-41")
        assert reads == [path for _, path in hub.requests if path == "/repos/acme/orders"]
        hub.state.others["acme/orders"] = 8
        assert lines(Rds(aws, GitHub(Settings.read()).repository))[0].startswith("pr-42")


def test_without_github_nothing_is_taken_for_anothers(
    aws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that found nothing of a renamed repository would call the preview gone."""
    make_database(aws, "pr-42", stack="pr-42", repository="acme/former")
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.fail(Fault.HUNG_UP, path="/repos/acme/former$")
        with pytest.raises(PreviewsError, match="repository acme/former"):
            lines(Rds(aws, GitHub(Settings.read()).repository))
