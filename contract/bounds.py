"""The most that a stack may have, by its kind: beyond it a typing error costs money.

It is declared here once. The models of ``preview.yaml`` and of the configuration refuse more by
name, and the policies compare what was declared with the same bounds, whoever declared it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract.stack_name import StackKind

MOST_CPU = "4"
"""Most CPU of a container, in any stack."""

MOST_MEMORY = "8192Mi"
"""Most memory of a container, likewise."""

_CLASSES = ("micro", "small", "medium", "large", "xlarge", "2xlarge")


@dataclass(frozen=True)
class Bounds:
    """The most that one kind of stack may use.

    Attributes:
        database_class: Largest size of an RDS instance.
        storage: Maximum GiB of an RDS instance, including automatic growth.
        replicas: Maximum number of pods of a service or a worker.
    """

    database_class: str
    storage: int
    replicas: int

    def has_class(self, instance_class: str) -> bool:
        """Return True if a class of RDS instances, such as ``db.t4g.micro``, is not larger."""
        return instance_class.rpartition(".")[2] in self._sizes

    @property
    def class_patterns(self) -> tuple[str, ...]:
        """Wildcards of the classes of RDS instances that are not larger, for IAM policies."""
        return tuple(f"db.*.{size}" for size in self._sizes)

    @property
    def _sizes(self) -> tuple[str, ...]:
        return _CLASSES[: _CLASSES.index(self.database_class) + 1]


BOUNDS = {
    StackKind.PREVIEW: Bounds("medium", 500, replicas=10),
    # Twenty previews share it.
    StackKind.DATA: Bounds("xlarge", 2000, replicas=1),
    StackKind.STAGING: Bounds("2xlarge", 2000, replicas=20),
}


def millicores(cpu: str) -> int:
    """Return CPU such as ``250m`` or ``1`` in thousandths of a core.

    Raises:
        ValueError: It has another form.
    """
    match = re.fullmatch(r"(\d+)(m?)", cpu)
    if match is None:
        msg = f"expected CPU such as 250m or 1, got {cpu!r}"
        raise ValueError(msg)
    return int(match[1]) * (1 if match[2] else 1000)


def mebibytes(memory: str) -> int:
    """Return memory such as ``256Mi`` in MiB."""
    return int(memory.removesuffix("Mi"))
