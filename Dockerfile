# ses-feedback-worker in a container: not root, and nothing is written but the SQLite database in
# /var/lib/ses-worker. Only `FROM` names anything beyond this checkout and the package index.

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/ses-worker
# What changes seldom comes first: exact versions, each with its hash.
COPY requirements/run.txt requirements/
RUN /opt/ses-worker/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md CHANGELOG.md SECURITY.md ./
COPY worker worker
# Its data files: the wheel holds the units, the settings, the policies, the alerts and the pages, too.
COPY config config
COPY docs docs
COPY systemd systemd
# Once it is installed nothing needs an installer any more.
RUN /opt/ses-worker/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/ses-worker/bin/pip uninstall --yes setuptools pip

FROM python:3.13-slim
# A number, so that Kubernetes can tell that it is not root. The folder is its own, since a new volume
# takes over whose it is.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ses-worker \
 && install -d -o 10001 -g 10001 /var/lib/ses-worker
COPY --from=build /opt/ses-worker /opt/ses-worker
# No setting: a variable would outrank the settings file and the credentials.
ENV PATH=/opt/ses-worker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
# The default, sqlite:///ses-worker.db, is a file in this folder.
WORKDIR /var/lib/ses-worker
VOLUME /var/lib/ses-worker
USER 10001:10001
# Alive, not ready: an outage of SQS is nothing that a new container would fix. It asks the page /readyz.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["ses-worker", "check", "--live"]
# It is the first process, obeys SIGTERM from its first moment on, and has no children but AWS's helpers
# where there are any. A stop takes up to 45 s: docker stop --timeout 60.
ENTRYPOINT ["ses-worker"]
CMD ["run"]
