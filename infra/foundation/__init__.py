"""The platform that previews stand on; staging declares it."""
