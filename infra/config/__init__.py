"""The stack's configuration: the only users of `pulumi.Config`."""
