"""The list of all places, in the order in which leftovers are deleted from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from previews.places.cluster import Namespaces
from previews.places.dns import Dns
from previews.places.ec2 import Ec2
from previews.places.github_traces import GitHubTraces
from previews.places.iam import Iam
from previews.places.load_balancer import LoadBalancer
from previews.places.rds import Rds
from previews.places.registry import Registry
from previews.places.secrets import Secrets

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.places.item import Place


def places(clients: Clients) -> tuple[Place, ...]:
    """What runs goes before what it runs on: pods, then databases, then groups around them."""
    aws = clients.aws
    repository = "" if clients.settings.local else clients.settings.github_repository
    return (
        Namespaces(clients.cluster),
        LoadBalancer(aws, repository),
        Dns(aws, repository, clients.platform.domain),
        Rds(aws, repository),
        Secrets(aws, repository),
        Ec2(aws, repository),
        Iam(aws, repository),
        Registry(aws, repository, clients.platform.images),
        *([] if clients.settings.local else [GitHubTraces(clients.github)]),
    )
