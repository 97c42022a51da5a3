"""All finders, in the order in which leftovers are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from previews.inventory.dns import Dns
from previews.inventory.ec2 import Ec2
from previews.inventory.github_traces import GitHubTraces
from previews.inventory.iam import Iam
from previews.inventory.load_balancer import LoadBalancer
from previews.inventory.namespaces import Namespaces
from previews.inventory.rds import Rds
from previews.inventory.registry import Registry
from previews.inventory.s3 import S3
from previews.inventory.secrets import Secrets

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.platform_outputs import PlatformOutputs
    from previews.github import GitHub
    from previews.inventory.item import ResourceFinder
    from previews.kubernetes import Cluster
    from previews.settings import Settings


def all_finders(
    *, aws: Session, cluster: Cluster, github: GitHub, platform: PlatformOutputs, settings: Settings
) -> tuple[ResourceFinder, ...]:
    """Return the finders; dependents come first: pods, then databases, then security groups."""
    app = settings.app_name
    repository = None if settings.local else github.repository
    return (
        Namespaces(cluster, app),
        LoadBalancer(aws, repository, app),
        Dns(aws, repository, platform.domain, app),
        Rds(aws, repository, app),
        S3(aws, repository, app),
        Secrets(aws, repository, app),
        Ec2(aws, repository, app),
        Iam(aws, repository, app),
        Registry(aws, repository, platform.images.repository, app),
        *([] if settings.local else [GitHubTraces(github, app)]),
    )
