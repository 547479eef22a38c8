# The runtime image: every step of a compiled pipeline runs in it. See docs/runtime-image.md.
#
# Built twice, its layers hold the same files: versions and hashes are those of uv.lock, byte-code
# does not say when it was compiled, and nothing below looks at the clock.
ARG BASE_IMAGE=python:3.11.13-slim-bookworm
ARG TF_SERVING_IMAGE=tensorflow/serving:2.16.1


# Where the real model server comes from; "scratch" leaves it out.
FROM ${TF_SERVING_IMAGE} AS serving


# All that lockstep depends on, less what no step reads. Where packages come from is up to whoever
# builds: certificates and the configuration of pip and uv are secrets, and leave no trace.
FROM ${BASE_IMAGE} AS dependencies
ARG UV_VERSION=0.13.9
ARG SOURCE_DATE_EPOCH=315532800
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    UV_PROJECT_ENVIRONMENT=/opt/lockstep UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy \
    UV_CACHE_DIR=/var/cache/uv
WORKDIR /src
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip,target=/etc/pip.conf \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m pip install --quiet --no-cache-dir --target /opt/uv "uv==${UV_VERSION}"
COPY pyproject.toml uv.lock ./
COPY scripts/trim_image.py /opt/
RUN --mount=type=secret,id=ca --mount=type=secret,id=uv,target=/etc/uv/uv.toml \
    --mount=type=cache,target=/var/cache/uv \
    if [ -f /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi; \
    /opt/uv/bin/uv sync --quiet --frozen --no-dev --extra tfx --no-install-project \
    && python3 /opt/trim_image.py /opt/lockstep \
    && { python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash /opt/lockstep/lib; \
         find /opt/lockstep -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +; }


# lockstep itself: a small layer, the only one that changes from commit to commit.
FROM dependencies AS library
COPY . .
RUN /opt/uv/bin/uv pip install --quiet --offline --no-deps --no-build-isolation \
        --python /opt/lockstep --prefix /opt/library . \
    && cd /opt/library/lib/python3.*/site-packages/lockstep-*.dist-info \
    && rm uv_cache.json && sed -i /uv_cache.json/d RECORD \
    && python3 -m compileall -q --invalidation-mode unchecked-hash \
        -s /opt/library -p /opt/lockstep /opt/library/lib \
    && find /opt/library -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +


FROM ${BASE_IMAGE}
# Python's own modules are byte-compiled (a base may have left that out), and pip goes. Whoever the
# cluster lets the container run as, HOME and what Kubeflow's launcher fills can be written.
RUN PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(ensurepip|idlelib|lib2to3|test|tests|tkinter|turtledemo|(site|dist)-packages)/' \
        "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')" \
    && rm -rf /usr/local/bin/pip* /usr/bin/pip* /usr/local/lib/python3.*/ensurepip \
        /usr/local/lib/python3.*/site-packages/* /usr/lib/python3*/dist-packages/pip* \
        /usr/lib/python3*/dist-packages/setuptools* /usr/lib/python3*/dist-packages/wheel* \
    && mkdir -m 1777 /gcs /minio /s3 /home/lockstep && mkdir -m 755 /project \
    && echo 'lockstep:x:1000:1000::/home/lockstep:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'lockstep:x:1000:' >> /etc/group
# A pattern may match nothing, as in "scratch".
COPY --from=serving /us[r]/bin/tensorflow_model_server /usr/local/bin/
COPY --from=dependencies /opt/lockstep /opt/lockstep
COPY --from=library /opt/library /opt/lockstep
ENV PATH=/opt/lockstep/bin:$PATH HOME=/home/lockstep PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="lockstep runtime" \
      org.opencontainers.image.description="TFX components as steps of Kubeflow pipelines" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
USER 1000:1000
# A project is copied to here: module files are looked up relative to it.
WORKDIR /project
CMD ["python", "-m", "lockstep.components", "--help"]
