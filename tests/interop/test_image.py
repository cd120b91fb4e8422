"""The image is built from the Dockerfile with buildah, and run as a container engine runs it.

`make image-test` runs this. The Dockerfile's base comes from a registry; here it is made on the spot, of
Debian's packages with Debian's own Python, under the name that the Dockerfile has.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import free_port, needs
from support import mail
from support.documents import ROOT
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)  # a base and two stages, on a machine that others share

BASE = re.search(r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)[1]
SOURCES = Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")
PIP = "[global]\nno-index = true\nfind-links = /wheels\n"
CONTAINER = r"""
set -e
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount --bind "$RECORDS" "$ROOT/$FOLDER"
mount -t tmpfs tmpfs "$ROOT/mnt"
cp -r "$MOUNTED"/. "$ROOT/mnt"
exec chroot --userspec "$USER_AND_GROUP" "$ROOT" \
    /usr/bin/env -i --chdir="$FOLDER" "$@"
"""
"""A container without an engine: a root that is read-only, a volume, a tmpfs, and a first process."""


def run(*command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


class Buildah:
    """buildah with a storage of its own, which is gone with the test."""

    def __init__(self, folder):
        self._storage = "--root", folder / "store", "--runroot", folder / "run"

    def __call__(self, *arguments):
        return run("buildah", *self._storage, "--storage-driver", "vfs", *arguments)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Where the root of the image is, and its configuration."""
    needs("buildah")
    needs("mmdebstrap")
    if os.geteuid():
        pytest.skip("only root can build and run it")
    sources = next((path for path in SOURCES if path.exists()), None)
    if sources is None:
        pytest.skip("this machine has no list of Debian's packages for a base image")
    folder = tmp_path_factory.mktemp("image")
    buildah = Buildah(folder)
    python = base(buildah, folder, sources)
    wheels(folder, python)
    (folder / "pip.conf").write_text(PIP)
    volumes = f"{folder}/wheels:/wheels:ro", f"{folder}/pip.conf:/etc/pip.conf:ro"
    buildah(
        "build", "--isolation", "chroot", "--format", "docker", "--pull-never",
        *(word for volume in volumes for word in ("--volume", volume)),
        "--tag", "ses-worker", ROOT,
    )  # fmt: skip
    container = buildah("from", "--pull-never", "ses-worker")
    configured = json.loads(buildah("inspect", "--type", "image", "ses-worker"))
    yield Path(buildah("mount", container)), configured["Docker"]["config"]
    buildah("umount", container)


def base(buildah, folder, sources):
    """Make the base image; return the version of its Python."""
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    suite = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)[1]
    root = folder / "base.tar"
    run("mmdebstrap", "--variant=minbase", "--include=python3-venv", suite, root, sources)
    container = buildah("from", "scratch")
    buildah("add", container, root, "/")
    root.unlink()
    inside = "run", "--isolation", "chroot", container, "--"
    buildah(*inside, "ln", "-s", "python3", "/usr/bin/python")
    buildah("commit", "--quiet", container, f"docker.io/library/{BASE}")
    version = buildah(*inside, "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    buildah("rm", container)
    return version


def wheels(folder, python):
    """What the Dockerfile installs, for the base's Python."""
    run(
        sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps",
        "--only-binary", ":all:", "--python-version", python, "--dest", folder / "wheels",
        "--requirement", ROOT / "requirements" / "run.txt",
    )  # fmt: skip


@pytest.fixture
def container(image, tmp_path, emulator, queue, environment):
    """Start the image's program, or another command, with what is mounted at /mnt."""
    root, config = image
    (folder,) = config["Volumes"]
    records, mounted = tmp_path / "records", tmp_path / "mounted"
    mounted.mkdir()
    run("cp", "-a", root / folder.strip("/"), records)  # as an engine fills a new volume
    variables = {
        name: value
        for name, value in environment.items()
        if name.startswith(("AWS_", "SES_WORKER_QUEUE"))
    }
    started = []
    log = (tmp_path / "log").open("a")

    def start(*arguments, **changes):
        for path in (mounted, *mounted.iterdir()):
            path.chmod(path.stat().st_mode | 0o055)
        given = dict(item.split("=", 1) for item in config["Env"]) | variables | changes
        process = subprocess.Popen(
            [
                "unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL",
                "bash", "-c", CONTAINER, "bash",
                *(f"{name}={value}" for name, value in given.items()),
                *config["Entrypoint"], *(arguments or config["Cmd"]),
            ],
            env=os.environ | {
                "ROOT": str(root), "RECORDS": str(records), "FOLDER": folder,
                "MOUNTED": str(mounted), "USER_AND_GROUP": config["User"],
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )  # fmt: skip
        started.append(process)
        return process

    start.records, start.mounted, start.log = records, mounted, tmp_path / "log"
    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
    log.close()


def first_process(process):
    """The worker itself: the child of unshare, number 1 in its own namespace."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_it_works_as_the_first_process_on_a_read_only_root_and_stops_on_request(
    container, emulator, queue
):
    port = free_port()
    listen = {"SES_WORKER_HTTP__LISTEN": f"0.0.0.0:{port}", "SES_WORKER_QUEUE__WAIT_SECONDS": "1"}
    worker = container(**listen)
    emulator.send(queue, mail.bounce("jane@example.com"))
    wait_until(lambda: emulator.long_polls and not emulator.messages(queue), 60, pause=0.1)
    database = container.records / "ses-worker.db"
    assert (database.stat().st_uid, database.stat().st_gid) == (10001, 10001)

    live = container("check", "--live", **listen)  # as HEALTHCHECK does
    assert (live.communicate()[0].split()[0], live.returncode) == ("ready", 0)

    status = Path(f"/proc/{first_process(worker)}/status").read_text()
    assert re.search(r"^NSpid:\s+\d+\s+1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+10001\s", status, re.MULTILINE)
    os.kill(first_process(worker), signal.SIGTERM)
    assert worker.wait(60) == 0, container.log.read_text()


def test_a_settings_file_and_secrets_that_are_mounted_count(container, emulator, queue, slack):
    file = "sqlite:////var/lib/ses-worker/elsewhere.db"
    (container.mounted / "worker.toml").write_text(f"[store]\nurl = '{file}'\n")
    (container.mounted / "slack_webhook_url").write_text(slack.webhook_url)
    emulator.send(queue, mail.bounce("jane@example.com"))
    given = {"SES_WORKER_CONFIG": "/mnt/worker.toml", "CREDENTIALS_DIRECTORY": "/mnt"}
    drained = container("drain", "--json", **given)
    out, _ = drained.communicate()
    assert drained.returncode == 0, container.log.read_text()
    assert (json.loads(out)["applied"], json.loads(out)["effects_delivered"]) == (1, 1)
    assert (container.records / "elsewhere.db").exists()
    assert not (container.records / "ses-worker.db").exists()
    assert slack.posts


def test_it_works_in_a_volume_of_root_that_its_group_may_write(container, emulator, queue):
    """As Kubernetes prepares a volume for `fsGroup`."""
    os.chown(container.records, 0, 10001)
    container.records.chmod(0o2775)
    emulator.send(queue, mail.bounce("jane@example.com"))
    drained = container("drain", "--json")
    out, _ = drained.communicate()
    assert drained.returncode == 0, container.log.read_text()
    assert json.loads(out)["applied"] == 1
    database = (container.records / "ses-worker.db").stat()
    assert (database.st_gid, database.st_mode & 0o777) == (10001, 0o640)


def test_it_has_no_installer_and_nothing_of_the_checkout_but_the_worker(image):
    root, config = image
    names = {path.name for path in (root / "opt" / "ses-worker" / "bin").iterdir()}
    assert "ses-worker" in names
    assert not {name for name in names if name.startswith(("pip", "easy_install"))}
    assert not list(root.glob("build"))
    assert config["Healthcheck"]["Test"] == ["CMD", "ses-worker", "check", "--live"]
