"""The FastAPI service that is previewed."""
