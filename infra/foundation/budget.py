"""A cost alert for all previews together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import budgets

from contract.stack_name import StackKind
from contract.tags import KIND

if TYPE_CHECKING:
    from infra.config.platform import BudgetConfig

# Spent, and what the month is going to come to.
_SPENT_PERCENT = 80
_FORECAST_PERCENT = 100


class PreviewBudget(pulumi.ComponentResource):
    """A monthly budget over everything that is tagged as a preview's.

    It alerts and stops nothing: a preview ends by its expiry and the sweep.
    """

    def __init__(
        self, name: str, *, config: BudgetConfig, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the budget.

        Args:
            config: The limit and the recipients of alerts.
        """
        super().__init__("previews:platform:PreviewBudget", name, None, opts)
        budgets.Budget(
            "budget",
            name=f"{pulumi.get_project()}-previews",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(config.monthly_usd),
            limit_unit="USD",
            cost_filters=[
                budgets.BudgetCostFilterArgs(
                    name="TagKeyValue", values=[f"user:{KIND}${StackKind.PREVIEW.value}"]
                )
            ],
            notifications=[
                _notice("ACTUAL", _SPENT_PERCENT, config),
                _notice("FORECASTED", _FORECAST_PERCENT, config),
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def preview_budget(config: BudgetConfig) -> None:
    """Declare the budget, where the configuration sets one."""
    if config.monthly_usd is not None:
        PreviewBudget("budget", config=config)


def _notice(kind: str, percent: int, config: BudgetConfig) -> budgets.BudgetNotificationArgs:
    return budgets.BudgetNotificationArgs(
        notification_type=kind,
        comparison_operator="GREATER_THAN",
        threshold=percent,
        threshold_type="PERCENTAGE",
        subscriber_email_addresses=list(config.emails),
    )
