"""Services that an app needs besides its database: one module for each kind of ``needs``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.app.needs.mail import provide_mail
from infra.app.needs.need import ProvidedNeed
from infra.app.needs.redis import provide_redis

if TYPE_CHECKING:
    import pulumi

    from contract.app.needs import Needs
    from infra.app.needs.need import NeedArgs


def provide_needs(needs: Needs, args: NeedArgs, opts: pulumi.ResourceOptions) -> ProvidedNeed:
    """Declare what an app needs, and return all of it together."""
    provided = list(_each(needs, args, opts))
    return ProvidedNeed(
        values={name: value for one in provided for name, value in one.values.items()},
        ready=[resource for one in provided for resource in one.ready],
        backends=[backend for one in provided for backend in one.backends],
        outputs={name: value for one in provided for name, value in one.outputs.items()},
        service_account=next((one.service_account for one in provided if one.service_account), ""),
    )


def _each(needs: Needs, args: NeedArgs, opts: pulumi.ResourceOptions) -> Iterator[ProvidedNeed]:
    if needs.redis is not None:
        yield provide_redis(needs.redis, args, opts)
    if needs.mail is not None:
        yield provide_mail(args, opts)
    if needs.bucket is not None:
        # Its SDK takes a while to import, and most apps have none.
        from infra.app.needs.bucket import provide_bucket  # noqa: PLC0415

        yield provide_bucket(args, opts)
