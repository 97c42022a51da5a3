# The service's image. Two stages: one that installs, one that runs.
#
# The base is an argument, so that it can be pinned by digest where it comes from:
#   --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
ENV PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build

# uv has a virtual environment of its own, so that the runtime's holds neither it nor pip.
COPY requirements/uv.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/uv \
    && /opt/uv/bin/python -m pip install --require-hashes --requirement uv.txt

# The dependencies are a layer of their own: it changes when the lock does, not with the code.
COPY requirements/service.txt ./
RUN --mount=type=cache,target=/root/.cache/uv \
    python3 -m venv --without-pip /app/.venv \
    && /opt/uv/bin/uv pip install --python /app/.venv/bin/python --require-hashes \
       --no-deps --compile-bytecode --requirements service.txt

COPY service /app/service
# Bytecode that is checked by hash stays good whatever time a layer gives its files.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app/service

FROM ${PYTHON_IMAGE} AS runtime
ARG COMMIT=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="customers" \
      org.opencontainers.image.description="The previewed service: customers of a small software business" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
ENV APP_COMMIT=${COMMIT} \
    HOST=0.0.0.0 \
    PATH=/app/.venv/bin:${PATH} \
    PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
# Owned by root, so that the service can't change its own code.
COPY --from=builder /app/.venv /app/.venv
COPY --from=builder /app/service /app/service
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "service"]
