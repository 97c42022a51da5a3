"""The image, built and run for real: ``python -m tests.image``, as root."""
