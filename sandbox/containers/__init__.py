"""Containers without a container engine: images, builds and the processes that run in them."""
