"""The installation of the pages, from its first command to its last, in a machine that has nothing."""

import re

import pytest
from support import mail
from support.documents import blocks, text_of
from support.machine import PACKAGES, SOURCE, booted
from support.waiting import wait_until

INSTALLING = text_of("docs/install/systemd.md")
BLOCKS = blocks(INSTALLING, "sh")
INSTALL, WHEEL, SECRET, USE, INSTANCE, UPGRADE, REMOVE, OPERATE = BLOCKS
READ, MODES = (
    block for block in blocks(text_of("docs/database.md"), "sh") if "/var/lib/ses-worker" in block
)

OFFLINE = """
. /opt/values/path
export PIP_NO_COMPILE=1 PIP_NO_DEPS=1 PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0 PYTHONPATH=/opt/builders
export HOME=/srv EDITOR=/opt/editor
cd /srv/checkout
"""
"""Nothing is fetched: the worker is built by this suite's setuptools, and finds this suite's
packages."""


@pytest.fixture
def bare(emulator, environment):
    """A machine with a checkout, and an operator who edits as the documents say."""
    with booted() as machine:
        files = "worker config docs systemd requirements pyproject.toml README.md CHANGELOG.md SECURITY.md"
        machine.run(f"""
            mkdir -p /srv/checkout /opt/builders /opt/values
            cd {SOURCE}; cp -r {files} /srv/checkout
            ln -s {PACKAGES}/{{setuptools,setuptools-*.dist-info,_distutils_hack}} /opt/builders
            useradd app
            # `python3` is the suite's, for its packages are built for that one alone.
            echo 'PATH={machine.python.parent}:$PATH' > /opt/values/path
        """)
        machine.write("/srv/users.csv", "email\njane@example.com\n")
        machine.write("/opt/editor", EDITOR, "755")
        lines = [f"{key}={value}" for key, value in environment.items() if key.startswith("AWS_")]
        machine.write("/opt/values/environment", "\n".join(lines))
        yield machine


EDITOR = r"""#!/bin/bash
name=$(basename "$1" .toml)
sed -i -e "s|^#url = .*ses-feedback\"|url = \"$(cat /opt/values/$name)\"|" -e 's|^wait_seconds = .*|wait_seconds = 1|' "$1"
[ "$name" = worker ] || sed -i 's|^listen = .*|listen = ""|' "$1"
environment=$([ "$name" = worker ] && echo environment || echo "$name.environment")
cp /opt/values/environment "$(dirname "$1")/$environment"
"""
"""Sets the queue, as everybody must; and where AWS is, which here is our emulator."""


def test_the_pages_install_use_upgrade_and_remove_a_worker(bare, emulator, queue, slack):
    bare.write("/opt/values/worker", queue)
    bare.write("/opt/values/eu", emulator.create_queue("eu"))

    def follow(block, input=""):
        return "".join(bare.run(OFFLINE + line, input) for line in block.splitlines())

    first, *others = INSTALL.splitlines()
    assert len(others) == 4
    make, pinned = first.split(" && ")
    follow(make)
    site = "$(echo /opt/ses-worker/lib/python*/site-packages)"
    # Instead of the index; the venv's own setuptools has another version than the pinned.
    bare.run(f"rm -rf {site}/setuptools*; echo {PACKAGES} > {site}/suite.pth")
    follow("\n".join([pinned, *others]))
    bare.run(f"ls {site} | grep ses_feedback_worker")
    files = "README.md CHANGELOG.md SECURITY.md config/iam-run.json config/prometheus-alerts.yml"
    bare.run(
        f"cd /opt/ses-worker/share/ses-worker; ls {files} config/grafana-dashboard.json docs/install/systemd.md"
    )
    assert bare.show("ses-worker", "ActiveState", "SubState") == {
        "ActiveState": "active",
        "SubState": "running",
    }
    emulator.send(queue, mail.bounce("joe@example.com"))
    wait_until(lambda: not emulator.messages(queue), pause=0.05)

    follow(SECRET, slack.webhook_url)
    emulator.send(queue, mail.bounce("jim@example.com"))
    wait_until(lambda: slack.posts, pause=0.05)
    *used, check = USE.splitlines()
    assert "jane@example.com" in follow("\n".join(used))
    checked = bare.try_to(OFFLINE + check)  # the topic that is missing here is not the point
    assert re.search(r"ok +slack:", checked.out), checked
    assert follow(READ) == "1\n"
    follow(MODES)
    assert follow(READ) == "1\n"
    *started, check = INSTANCE.splitlines()
    follow("\n".join(started))
    assert "/var/lib/ses-worker-eu/" in bare.try_to(OFFLINE + check).out
    assert bare.show("ses-worker@eu", "ActiveState")["ActiveState"] == "active"
    bare.try_to("logger --tag ses-worker nothing")
    follow(OPERATE.replace("EVENT=store.unavailable", "EVENT=worker.started"))

    follow(WHEEL)
    (name,) = re.findall(r"`(ses_feedback_worker-.*?whl)`", INSTALLING)
    bare.run(
        f"{bare.python} -m zipfile -l /srv/checkout/dist/{name} | grep share/ses-worker/etc/systemd/system/"
    )
    follow(UPGRADE)
    assert follow(READ) == "1\n"
    for unit in ("ses-worker", "ses-worker@eu"):
        assert bare.show(unit, "ActiveState")["ActiveState"] == "active"
        assert bare.show(unit, "NeedDaemonReload")["NeedDaemonReload"] == "no"
    follow(REMOVE)
    assert bare.run("find /etc /opt /run /usr /var -xdev -name '*ses-worker*'") == ""
    assert bare.try_to("getent passwd ses-worker").status
