"""One app in a namespace of its own."""
