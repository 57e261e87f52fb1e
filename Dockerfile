# The server as an image: nobody's user, a root file system that may be read-only, data in /data. The versions are those
# of the lock, checked by their hashes; what builds stays behind.
FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/segments
COPY requirements.lock /src/
RUN /opt/segments/bin/pip install --no-deps --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY domain /src/domain
COPY persistence /src/persistence
COPY gql /src/gql
RUN /opt/segments/bin/pip install --no-deps --no-build-isolation /src \
    && /opt/segments/bin/python -m compileall -q /opt/segments/lib

FROM python:3.11.13-slim-bookworm
# For PDF reports; without fonts they have a serif for Latin, Greek and Cyrillic.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-noto-core && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 segments && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin segments \
    && install -d -o segments -g segments -m 0750 /data
COPY --from=build /opt/segments /opt/segments
ENV PATH=/opt/segments/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SEGMENTS_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=3)"]
# By SIGTERM the server drains, within ten seconds.
ENTRYPOINT ["segments"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
