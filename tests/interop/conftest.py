"""Programs that pip cannot bring. `make interop` runs this folder, and names what is not there."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest


def needs(program):
    """Skip, and name the program, where it is not installed."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install {program})")
    return found


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture
def pgbouncer(postgresql_url, tmp_path):
    """Start a pgbouncer before the test's database; return the database's URL through it."""
    program, started = needs("pgbouncer"), []
    server = urlsplit(postgresql_url)
    folder = parse_qs(server.query)["host"][0]

    def start(mode, **settings):
        port = free_port()
        chosen = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            "server_round_robin": 1,  # each transaction has the next connection to the server
            "query_wait_timeout": 10,
        } | settings
        file = tmp_path / "pgbouncer.ini"
        lines = [f"{name} = {value}" for name, value in chosen.items()]
        databases = f"[databases]\n* = host={folder} user={server.username}\n"
        file.write_text("\n".join([databases, "[pgbouncer]", *lines, ""]))
        command = [program, str(file)]
        if os.geteuid() == 0:  # it refuses to run as root
            command[1:1] = ["-u", pwd.getpwuid(Path(folder).stat().st_uid).pw_name]
            readable_by_others(file)
        log = (tmp_path / "pgbouncer.log").open("w")
        started.append(subprocess.Popen(command, stdout=log, stderr=log))
        log.close()
        url = f"postgresql://{server.username}@127.0.0.1:{port}{server.path}"
        wait_for(url, tmp_path / "pgbouncer.log")
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait()


def readable_by_others(file):
    file.chmod(0o644)
    for folder in file.parents:
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)


def wait_for(url, log):
    for _ in range(100):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"pgbouncer does not answer: {log.read_text()}")
