"""What the last successful `up` of this very stack left behind.

A preview's database is prepared once. The image that did it is remembered here, so that a
newer one of staging's is no reason to do it again. ``ignore_changes`` would remember it too,
but also after the Job failed: a preview whose prepare Job failed of a bug on the main branch
could then never be brought up with the fix (docs/decisions/0005-a-database-is-prepared-once.md).
"""

from __future__ import annotations

import pulumi

PREPARE_IMAGE = "prepareImage"
"""Name of the output that holds the image with which the database was prepared."""


def prepared_with(otherwise: pulumi.Input[str]) -> pulumi.Output[str]:
    """The image with which this stack's database was prepared.

    Args:
        otherwise: The image to prepare it with if that has not been done.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    remembered = pulumi.StackReference(name).get_output(PREPARE_IMAGE)
    return pulumi.Output.all(remembered, otherwise).apply(lambda images: images[0] or images[1])
