# The example host with the app in it, for docker-compose.yml. A project of yours installs the package and needs none of this.
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    EXAMPLE_DATA_DIR=/data

RUN useradd --uid 10001 --create-home metering && install -d -o metering -g metering /data

WORKDIR /srv
COPY pyproject.toml README.md LICENSE ./
COPY agentcore_metering agentcore_metering
RUN pip install ".[otel,postgres]" "gunicorn>=22,<28"
COPY example example

USER metering
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "example.host.wsgi", "--bind", "0.0.0.0:8000", "--workers", "4", "--threads", "4", "--worker-tmp-dir", "/dev/shm"]
