"""The stand-in for the docker-build plugin: builds without Docker, pushes to the sandbox's ECR."""
