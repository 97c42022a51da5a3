"""What lets a smoke test past the sign-in, where people sign in to previews.

It is kept in Secrets Manager alone: whoever may bring a preview up may read it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.clients import Clients


def read_bypass(clients: Clients) -> str | None:
    """The token; None where the platform names none.

    Raises:
        PreviewsError: The secret can't be read.
    """
    arn = clients.platform.sign_in.bypass_secret_arn
    if not arn:
        return None
    try:
        answer = clients.aws.client("secretsmanager").get_secret_value(SecretId=arn)
        return str(answer["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as error:
        raise PreviewsError(
            "bypass-unreadable",
            f"secret {arn}",
            why=f"what lets tests past the sign-in can't be read: {error}",
            remedy="check that it has a value and that this role may read it, or give the value in"
            " PREVIEWS_BYPASS.",
        ) from error
