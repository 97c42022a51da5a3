"""Names of Kubernetes objects, labels and kinds that more than one room uses."""

from __future__ import annotations

API_GROUP = "previews.internal"
"""API group of the branch controller. `.internal` is reserved for private use, so no other
project has it."""

API_VERSION = "v1alpha1"

BRANCH_KIND = "DatabaseBranch"
BRANCHES = "databasebranches"
"""Plural of `BRANCH_KIND`: a preview's request for a database."""

GENERATION_KIND = "DatabaseGeneration"
GENERATIONS = "databasegenerations"
"""Plural of `GENERATION_KIND`: the publication of a shared server."""

FINALIZER = f"{API_GROUP}/database"
"""Finalizer that keeps an object until its database or server is gone."""

RESET_ANNOTATION = f"{API_GROUP}/reset"
"""Annotation of a `BRANCH_KIND` object: a changed value requests a fresh clone."""

AFTER_RESET_ANNOTATION = f"{API_GROUP}/after-reset"
"""Annotation of the Job `SEED`: ``true`` if it is run again on a fresh copy of the data."""

ALB = "alb.ingress.kubernetes.io"
"""Prefix of the AWS Load Balancer Controller's annotations."""

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3 with forward secrecy; the controller's default goes back to 1.0."""

NAME_LABEL = "app.kubernetes.io/name"
"""Label of pods, and of what makes them, with the name of what they run."""

SERVICE = "service"
"""Name of the Deployment of the app's own web service, and of its pods in `NAME_LABEL`."""


def web_service(name: str) -> str:
    """Return the name of a further web service's Deployment and Service, by its key under `web`."""
    return f"web-{name}"


MIGRATE = "migrate"
"""Name of the Jobs that migrate, in `NAME_LABEL`; that of an object has a hash at its end."""

SEED = "seed"
"""Name of the hook that runs once for a database, as `MIGRATE`."""

AFTER_DEPLOY = "after-deploy"
"""Name of the hook that runs after each deployment, as `MIGRATE`."""

BEFORE_DESTROY = "before-destroy"
"""Name of the hook that runs before a preview is removed, and of its suspended CronJob."""

STACK_LABEL = "previews/stack"
"""Label of a stack's namespace with the stack's name."""

PULL_REQUEST_LABEL = "previews/pull-request"
"""Label of a preview's namespace with the pull request's number."""

MASTER_SECRET = "database-master"  # noqa: S105  the name of a Secret is no secret
"""Secret with the master user's login, where a stack has one."""

MIGRATOR_SECRET = "database-migrator"  # noqa: S105
"""Secret with the login of the role that migrates."""

APP_SECRET = "database-app"  # noqa: S105
"""Secret with the login of the service's role."""


_PLURALS = {"endpoints": "endpoints", "ingressclassparams": "ingressclassparams"}
"""Plurals that follow no rule."""


def plural_of(kind: str) -> str:
    """Return the resource of a kind, by the rules of English: ``networkpolicies``."""
    singular = kind.lower()
    if singular in _PLURALS:
        return _PLURALS[singular]
    if singular.endswith(("s", "x", "ch", "sh")):
        return f"{singular}es"
    if singular.endswith("y") and not singular.endswith(("ay", "ey")):
        return f"{singular[:-1]}ies"
    return f"{singular}s"


def qualified(plural: str) -> str:
    """Return a kind of `API_GROUP` as kubectl names it: ``<plural>.<version>.<group>``."""
    return f"{plural}.{API_VERSION}.{API_GROUP}"


def generated_secret(variable: str) -> str:
    """Return the name of the Secret with the random value of a variable."""
    return f"generated-{variable.lower().replace('_', '-').strip('-')}"
