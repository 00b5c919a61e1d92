# Servery as an image: for the CPU by default, for NVIDIA GPUs with DEVICE=gpu.
#
#   docker build -t servery .
#   docker build -t servery:gpu --build-arg DEVICE=gpu .
#
# What changes seldom comes first: the system, the dependencies, the models, the source.

FROM debian:bookworm-slim AS system
# Debian keeps its Python patched; a version named here would vanish with the next patch.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*

FROM system AS dependencies
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*
ARG DEVICE=cpu
COPY requirements-${DEVICE}.lock /requirements.lock
# TensorFlow's C++ headers, 430 MB, are for who compiles against it.
RUN python3 -m venv --without-pip /opt/servery \
    && pip --python /opt/servery/bin/python install --no-cache-dir --require-hashes \
        --requirement /requirements.lock \
    && rm -r /opt/servery/lib/python3.11/site-packages/tensorflow/include

FROM dependencies AS source
WORKDIR /source
COPY requirements-build.lock ./
RUN pip --python /opt/servery/bin/python install --no-cache-dir --require-hashes \
        --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY servery servery
COPY service service
COPY training training
COPY loadtest loadtest
RUN pip --python /opt/servery/bin/python install --no-cache-dir --no-deps \
        --no-build-isolation --prefix /installed .
COPY deploy/container/ready.py /installed/bin/ready

FROM system
LABEL org.opencontainers.image.title="Servery" \
      org.opencontainers.image.description="Versioned TensorFlow SavedModels, served in full batches" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is written to but /cache, which may be lost: metrics and sockets live in memory.
RUN install --directory --owner=10001 --group=10001 /cache
ENV PATH=/opt/servery/bin:$PATH \
    HOME=/tmp \
    TMPDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    SERVERY_HOST=0.0.0.0 \
    SERVERY_PORT=8000 \
    SERVERY_ARTIFACTS=/artifacts \
    SERVERY_CACHE=/cache
COPY --from=dependencies /opt/servery /opt/servery
COPY artifacts /artifacts
COPY --from=source /installed /opt/servery
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "/opt/servery/bin/ready"]
ENTRYPOINT ["servery"]
CMD ["serve"]
