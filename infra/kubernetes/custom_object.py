"""An object of a kind that somebody else defines, checked for the fields that the server dropped.

The API server drops a field that a kind does not have, and only warns. It would refuse the object
if asked to, but pulumi-kubernetes has no option for that. So what the server kept is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pulumi

from infra.errors import ProgramError

if TYPE_CHECKING:
    from pulumi_kubernetes import meta


class CustomObject(pulumi.CustomResource):
    """An object whose spec the server kept in full, or the program ends with an error.

    Attributes:
        spec: Spec as the server has it.
        checked_name: Name of the object, known once its spec was compared.
    """

    spec: pulumi.Output[Mapping[str, Any]]
    checked_name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        api_version: str,
        kind: str,
        name: str,
        metadata: meta.v1.ObjectMetaArgs,
        spec: Mapping[str, Any],
        expendable: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the object.

        Args:
            api_version: API group and version of the kind.
            kind: The kind.
            name: Name of the object.
            metadata: Metadata of the object, with that name.
            spec: Its spec.
            expendable: Fields of the spec that may be dropped, with a warning.
        """
        properties = {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
        }
        super().__init__(f"kubernetes:{api_version}:{kind}", resource_name, properties, opts)

        def compared(both: list[Any]) -> str:
            check_kept(f"{kind} {name}", api_version, both[0], both[1], expendable)
            return name

        self.checked_name = pulumi.Output.all(spec, self.spec).apply(compared)


def check_kept(
    what: str,
    api_version: str,
    sent: Mapping[str, Any],
    kept: Mapping[str, Any],
    expendable: Sequence[str] = (),
) -> None:
    """Check that the server kept a spec.

    Args:
        what: Kind and name of the object, for people.
        api_version: API group and version of the kind.
        sent: The spec that was sent.
        kept: The spec as the server has it.
        expendable: Fields that may be dropped, with a warning.

    Raises:
        ProgramError: It dropped a field that is not expendable.
    """
    missing = list(dropped(sent, kept))
    for field in missing:
        if field in expendable:
            pulumi.log.warn(f"{what}: the cluster's {api_version} has no field {field}")
    lost = [field for field in missing if field not in expendable]
    if lost:
        raise ProgramError(
            what,
            why=f"the cluster's {api_version} has no field {', '.join(lost)}, and dropped it",
            remedy="update what defines the kind in the cluster, EKS itself or the load balancer's"
            " controller, to a version that has the field; then run `pulumi up -s staging` again",
        )


def dropped(sent: object, kept: object, at: str = "") -> Iterator[str]:
    """Yield the path of each field that was sent and is not there; added fields don't matter."""
    there = _fields(kept)
    for key, value in _fields(sent).items():
        path = f"{at}.{key}" if at else key
        if key in there:
            yield from dropped(value, there[key], path)
        else:
            yield path


def _fields(value: object) -> dict[str, object]:
    """Return the fields of an object, or the items of a list by number; a scalar has none."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(cast("list[object]", value))}
    return {}
