"""The three kinds of stacks, each a module that reads as a table of contents."""

from __future__ import annotations

import pulumi

from contract.stack_name import AppName, AppNameError, StackKind, StackName, StackNameError


def main() -> None:
    """Declare the stack that Pulumi is working on."""
    try:
        stack = StackName.parse(pulumi.get_stack(), AppName.of_project(pulumi.get_project()))
    except (AppNameError, StackNameError) as error:
        raise pulumi.RunError(str(error)) from error
    # Each imports only what its own stack needs: staging's SDK modules take a second.
    match stack.kind:
        case StackKind.STAGING:
            from infra.stacks.staging import declare_staging

            declare_staging(stack)
        case StackKind.PREVIEW:
            from infra.stacks.preview import declare_preview

            declare_preview(stack)
        case StackKind.DATA:
            from infra.stacks.data import declare_data

            declare_data(stack)
