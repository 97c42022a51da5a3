"""A cost alert for all previews together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import budgets

from contract.stack_name import PLATFORM_PROJECT, StackKind
from contract.tags import APP, KIND
from infra.config.platform import BudgetConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.platform import AppConfig

BUDGET_TAGS = {KIND: StackKind.PREVIEW.value}
"""Tags by which the budget over all previews sees the nodes and the load balancer.

EKS creates both, so the transform in infra/tagging.py doesn't reach them. They are shared: staging
and the previews of all apps run on them, and the budget counts them whole.
"""

# Spent, and what the month is going to come to.
_SPENT_PERCENT = 80
_FORECAST_PERCENT = 100


class PreviewBudget(pulumi.ComponentResource):
    """A monthly budget over everything that has a tag: that of previews, or that of an app.

    It alerts and stops nothing: a preview ends by its expiry and the sweep.
    """

    def __init__(
        self,
        name: str,
        *,
        config: BudgetConfig,
        project: str,
        tag: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the budget.

        Args:
            config: The limit and the recipients of alerts.
            project: Project that it is named after.
            tag: Key and value of the tag, with ``$`` between them.
        """
        super().__init__("previews:platform:PreviewBudget", name, None, opts)
        budgets.Budget(
            name,
            name=f"{project}-previews",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(config.monthly_usd),
            limit_unit="USD",
            cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{tag}"])],
            notifications=[
                _notice("ACTUAL", _SPENT_PERCENT, config),
                _notice("FORECASTED", _FORECAST_PERCENT, config),
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def preview_budgets(config: BudgetConfig, apps: Sequence[AppConfig]) -> None:
    """Declare the configured budgets: one over the previews of all apps, and one for each app.

    A budget can't require two tags, so an app's has its staging and its shared servers, too.
    """
    if config.monthly_usd is not None:
        tag = f"{KIND}${BUDGET_TAGS[KIND]}"
        PreviewBudget("budget", config=config, project=PLATFORM_PROJECT, tag=tag)
    for app in apps:
        if app.monthly_usd is not None:
            own = BudgetConfig(monthly_usd=app.monthly_usd, emails=config.emails)
            tag = f"{APP}${app.name}"
            PreviewBudget(f"budget-{app.name}", config=own, project=app.name, tag=tag)


def _notice(kind: str, percent: int, config: BudgetConfig) -> budgets.BudgetNotificationArgs:
    return budgets.BudgetNotificationArgs(
        notification_type=kind,
        comparison_operator="GREATER_THAN",
        threshold=percent,
        threshold_type="PERCENTAGE",
        subscriber_email_addresses=list(config.emails),
    )
