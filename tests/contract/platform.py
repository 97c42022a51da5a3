"""The platform of the tests, as staging publishes it."""

from __future__ import annotations

from typing import Any

from contract.platform_outputs import PlatformOutputs

_PUBLISHED: dict[str, Any] = {
    "region": "us-east-1",
    "domain": "preview.example.com",
    "cluster": {
        "name": "sandbox",
        "security_group_id": "sg-1",
        "vpc_id": "vpc-1",
        "oidc_provider_arn": "arn:aws:iam::123456789012:oidc-provider/oidc.example.com",
        "oidc_issuer": "oidc.example.com",
        "service_cidrs": ["172.20.0.0/16"],
    },
    "ingress": {
        "class_name": "alb",
        "annotations": {},
        "group": "previews",
        "scheme": "internal",
        "source_cidrs": ["10.0.0.0/16"],
        "protocol": "HTTPS",
        "port": 443,
        "idle_timeout_seconds": 60,
    },
    "sign_in": {
        "user_pool_arn": "",
        "user_pool_domain": "",
        "identity_providers": ["COGNITO"],
        "bypass_secret_arn": "",
    },
    "database": {
        "instance": "staging",
        "name": "service",
        "subnet_group": "staging-database",
        "subnet_ids": ["subnet-0a", "subnet-0b"],
        "cidrs": ["10.0.1.0/24"],
        "ssl_mode": "verify-full",
        "scrub_rules": "tables: {}\n",
    },
    "branches": {
        "namespace": "",
        "instance_class": "db.t4g.medium",
        "pool_size": 3,
        "app_connections": 12,
        "extensions": [],
    },
    "images": {
        "repository_url": "123456789012.dkr.ecr.us-east-1.amazonaws.com/previews",
        "database": "123456789012.dkr.ecr.us-east-1.amazonaws.com/previews-database"
        f"@sha256:{64 * '0'}",
        "redis": f"public.ecr.aws/docker/library/redis@sha256:{64 * '1'}",
        "mail": f"ghcr.io/axllent/mailpit@sha256:{64 * '2'}",
    },
    "boundaries": {"preview": "", "data": ""},
}


def platform_with(**groups: dict[str, Any]) -> PlatformOutputs:
    """Return the platform with some fields of its groups replaced."""
    changed = {name: {**_PUBLISHED[name], **fields} for name, fields in groups.items()}
    return PlatformOutputs.read({**_PUBLISHED, **changed})


PLATFORM = platform_with()
