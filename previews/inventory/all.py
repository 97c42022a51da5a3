"""The list of all places, in the order in which leftovers are deleted from them."""

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
from previews.inventory.secrets import Secrets

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.inventory.item import Place


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
        Registry(aws, repository, clients.platform.images.repository),
        *([] if clients.settings.local else [GitHubTraces(clients.github)]),
    )
