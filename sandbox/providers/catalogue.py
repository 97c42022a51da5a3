"""The stand-ins that the server offers: each a ``base.Provider`` made of the settings."""

from __future__ import annotations

import os

from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.base import Provider
from sandbox.providers.kubernetes.provider import KubernetesProvider
from sandbox.settings import Settings


def stand_ins(settings: Settings) -> tuple[Provider, ...]:
    """One stand-in for each plugin of the program."""
    return (
        AwsProvider(settings.aws_endpoint, os.environ.get("AWS_REGION", "us-east-1")),
        KubernetesProvider(),
    )
