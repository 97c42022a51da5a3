"""Keys of the tags that every AWS resource of a stack carries."""

from __future__ import annotations

MANAGED_BY = "managed-by"
KIND = "kind"
"""Kind of stack, such as ``preview``: costs are summed up by it."""

STACK = "stack"
"""Name of the stack among those of all apps: ``orders-pr-42``."""

APP = "app"
"""Name of the app; the platform's own resources have none."""

PULL_REQUEST = "pull-request"
REPOSITORY = "repository"
COMMIT = "commit"
EXPIRES = "expires"
"""Time after which the sweep may destroy the stack, RFC 3339 in UTC, or ``never``."""

REQUIRED = (COMMIT, EXPIRES, MANAGED_BY, REPOSITORY, STACK)
"""Tags without which no AWS resource is declared."""
