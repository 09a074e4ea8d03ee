# The service on CPUs. From the folder of pyproject.toml:
#   docker build -f docker/cpu.Dockerfile -t fullconv:cpu .
#   docker run --rm fullconv:cpu --help
# docs/containers.md has the commands that serve a net.
ARG PYTHON=3.11.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=serve,export
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/fullconv
# torch alone first: its layer stays while the code changes.
COPY constraints.txt docker/versions.txt ./
RUN /opt/fullconv/bin/pip install --constraint constraints.txt --index-url "${TORCH_INDEX}" torch
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/fullconv/bin/pip install --constraint constraints.txt --constraint versions.txt ".[${EXTRAS}]"

FROM python:${PYTHON}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin fullconv
COPY --from=build /opt/fullconv /opt/fullconv
ENV PATH=/opt/fullconv/bin:${PATH} HOME=/tmp PYTHONUNBUFFERED=1
USER 10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["fullconv"]
# A run folder, or an exported file, mounted at /model; the token is FULLCONV_TOKEN.
CMD ["serve", "/model", "--host", "0.0.0.0"]
