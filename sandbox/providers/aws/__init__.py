"""The stand-in for the AWS plugin, over the sandbox's emulated APIs and no others."""
