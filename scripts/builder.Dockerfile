# What the steps of cloudbuild.yaml run in: Python 3.11, make, git, docker with buildx, kubectl.
#
#     docker build --file scripts/builder.Dockerfile --tag REGISTRY/builder:1.0.0 scripts
#
# lockstep itself is not in it: the first step of a build installs the commit's own into /workspace.
# Raise the tag with each change here, and _BUILDER with it; a tag that is used is never moved.
ARG BASE_IMAGE=python:3.11.13-slim-bookworm
ARG DOCKER_IMAGE=docker:28.3.3-cli
ARG KUBECTL_IMAGE=registry.k8s.io/kubectl:v1.33.4

FROM ${DOCKER_IMAGE} AS docker

FROM ${KUBECTL_IMAGE} AS kubectl

FROM ${BASE_IMAGE}
RUN --mount=type=secret,id=apt,target=/etc/apt/apt.conf.d/99build \
    apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates git make \
    && rm -rf /var/lib/apt/lists/*
COPY --from=docker /usr/local/bin/docker /usr/local/bin/
COPY --from=docker /usr/local/libexec/docker/cli-plugins/docker-buil[d]x /usr/local/libexec/docker/cli-plugins/
COPY --from=kubectl /bin/kubectl /usr/local/bin/
# The workspace belongs to whoever has fetched the source.
RUN git config --system --add safe.directory /workspace
ENV PATH=/workspace/.venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /workspace
