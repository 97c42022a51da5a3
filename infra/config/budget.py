"""What can be configured of the budget for previews."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from infra.config.base import Model


class BudgetConfig(Model):
    """A warning before previews get dear (keys ``previews:budget``)."""

    monthly_usd: int | None = Field(
        default=None,
        ge=1,
        description="what all previews together are meant to cost in a month, in dollars;"
        " without it there is no budget",
        examples=[300],
    )
    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")], ...] = Field(
        default=(),
        max_length=10,
        description="with monthlyUsd: who is told at 80 % of it, and when a month is going to"
        " exceed it",
        examples=[["platform@example.com"]],
        validate_default=True,
    )

    @field_validator("emails")
    @classmethod
    def _tell_somebody(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and info.data.get("monthly_usd") is not None:
            msg = "a budget that tells nobody warns nobody: name at least one"
            raise ValueError(msg)
        return value
