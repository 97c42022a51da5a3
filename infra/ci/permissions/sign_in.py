"""Rows that both roles have besides, where people sign in to previews."""

from __future__ import annotations

from infra.ci.permissions.grant import Grant

BYPASS = "previews-bypass-"
"""What a secret is named like whose value lets tests in; no other secret is ever read by CI."""

BYPASS_ARN = f"{{arn}}:secretsmanager:{{here}}:secret:{BYPASS}*"


def sign_in_grants(user_pool_arn: str) -> tuple[Grant, ...]:
    """Each stack makes a client of its own.

    Cognito knows no resource below the pool, so that a client is another stack's is not for IAM
    to tell; what a client lets through is decided by the stack's own load balancer rules.

    Args:
        user_pool_arn: The user pool.
    """
    return (
        Grant(
            "a stack's own client of the user pool",
            (
                "cognito-idp:CreateUserPoolClient",
                "cognito-idp:DeleteUserPoolClient",
                "cognito-idp:DescribeUserPoolClient",
                "cognito-idp:UpdateUserPoolClient",
            ),
            (user_pool_arn,),
        ),
        Grant(
            "the token that lets tests in, which becomes a rule of the load balancer",
            ("secretsmanager:GetSecretValue",),
            (BYPASS_ARN,),
        ),
    )
