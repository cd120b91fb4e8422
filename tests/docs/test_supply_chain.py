"""The supply chain: reasons, hashes, licences, bill of materials, audit, and a wheel that can be made again."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.documents import ROOT, table, text_of

sys.path.insert(0, str(ROOT / "requirements"))
from audit import verdict
from sbom import LOCK, NAME, bill, licence_of, locked
from wheel import PARTS, build

PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
PACKAGES = list(locked(LOCK.read_text(encoding="utf-8")))
LICENCES = {
    "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "ZPL-2.1",
}  # fmt: skip
"""They allow use, change and passing on, and ask for no more than their text."""
COPYLEFT = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
"""Optional, imported as they are, and replaceable: docs/development/dependencies.md says so."""


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_each_dependency_has_its_reason():
    rows = table(text_of("docs/development/dependencies.md"), "| package |")
    direct = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["postgresql"])
    assert [row[0].strip("`") for row in rows] == sorted(direct)
    assert all(len(row[1]) > 20 for row in rows)


def test_the_tools_of_tests_are_no_dependency_of_an_installation():
    tools = names(PROJECT["optional-dependencies"]["test"])
    direct = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["postgresql"])
    assert tools.isdisjoint(direct)
    assert {name for name, *_ in PACKAGES}.isdisjoint(tools - {NAME})


@pytest.mark.parametrize(
    ("name", "fewest"), [("run.txt", 30), ("all.txt", 30), ("fuzz.txt", 1)], ids=str
)
def test_every_version_is_exact_and_has_its_hashes(name, fewest):
    packages = list(locked(text_of(f"requirements/{name}")))
    assert len(packages) >= fewest
    for package, pinned, _, digests in packages:
        assert re.fullmatch(r"[\w.]+", pinned), package
        assert digests, package
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests), package


def test_what_is_installed_here_is_what_is_locked():
    for name, pinned, _, _ in PACKAGES:
        try:
            assert version(name) == pinned, name
        except PackageNotFoundError:
            assert name == "tzdata", "only on Windows"


@pytest.mark.parametrize("file", ["docs/install/systemd.md", "Dockerfile", "Makefile"])
def test_every_installation_checks_the_hashes(file):
    installs = re.findall(
        r"pip\S* install[^\n]*-r requirements/\S+|pip\S* install[^\n]*-r \S*run\.txt", text_of(file)
    )
    assert installs
    assert all("--require-hashes" in line for line in installs), installs


def test_the_licences_allow_what_we_do():
    for name, *_ in PACKAGES:
        if name == "tzdata":  # not installed here; PSF's data, in the public domain
            continue
        licence = licence_of(name)
        terms = set(re.split(r" (?:OR|AND) ", licence))
        assert terms <= LICENCES or licence == COPYLEFT.get(name), (name, licence)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT AND GPL-3.0-only", "MIT AND GPL-3.0-only"),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT"),
        ("Classifier: License :: OSI Approved\nLicense: MIT", "MIT"),
        (
            (
                "Classifier: License :: OSI Approved :: MIT License\n"
                "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
            ),
            "",
        ),
        ("Classifier: License :: Other/Proprietary License\nLicense: MIT", ""),
        ("License: something of our own", ""),
        ("Summary: it has none", ""),
    ],
)
def test_a_licence_that_is_not_known_is_not_taken_for_another(
    tmp_path, monkeypatch, metadata, licence
):
    folder = tmp_path / "something-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: something\nVersion: 1\n{metadata}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert licence_of("something") == licence


class TestBill:
    DOCUMENT = bill(LOCK.read_text(encoding="utf-8"), "1.2.3")

    def test_it_has_every_package_with_version_hashes_and_licence(self):
        components = {component["name"]: component for component in self.DOCUMENT["components"]}
        assert list(components) == [name for name, *_ in PACKAGES]
        for name, pinned, _, digests in PACKAGES:
            assert components[name]["purl"] == f"pkg:pypi/{name}@{pinned}"
            assert [component["content"] for component in components[name]["hashes"]] == digests
        assert all(
            "licenses" in component for name, component in components.items() if name != "tzdata"
        )

    def test_each_package_is_needed_by_something(self):
        needs = {
            component["ref"]: component["dependsOn"] for component in self.DOCUMENT["dependencies"]
        }
        reached, left = set(), [f"pkg:pypi/{NAME}@1.2.3"]
        while left:
            component = left.pop()
            left += [ref for ref in needs[component] if ref not in reached]
            reached |= set(needs[component])
        everything = {component["bom-ref"] for component in self.DOCUMENT["components"]}
        not_needed = {ref.rpartition("/")[2].partition("@")[0] for ref in everything - reached}
        # setuptools builds the wheel; tzdata is for Windows; one is for cffi on CPython only.
        assert not_needed <= {"setuptools", "tzdata", "pycparser"}

    def test_make_sbom_writes_it_the_same_each_time(self):
        made = [
            subprocess.run(
                [sys.executable, ROOT / "requirements" / "sbom.py"], capture_output=True, check=True
            ).stdout
            for _ in range(2)
        ]
        assert made[0] == made[1]
        document = json.loads(made[0])
        assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
        assert "requirements/sbom.py" in text_of("Makefile")


class TestAudit:
    def package(self, name, **more):
        return {"name": name, "version": "1"} | more

    def test_what_was_not_looked_up_is_not_called_good(self):
        good, unknown = self.package("a", vulns=[]), self.package("b", skip_reason="not found")
        assert verdict({"dependencies": [good]}) == (0, ["no known vulnerability in 1 packages"])
        status, (line,) = verdict({"dependencies": [good, unknown]})
        assert (status, line) == (3, "not audited, the service does not know them: b")

    def test_a_vulnerability_is_named_with_its_fix(self):
        found = [{"id": "CVE-1", "fix_versions": ["2", "3"]}, {"id": "CVE-2", "fix_versions": []}]
        status, lines = verdict({"dependencies": [self.package("a", vulns=found)]})
        assert status == 1
        assert lines == ["a 1: CVE-1, fixed in 2, 3", "a 1: CVE-2, fixed in no version"]

    def test_a_service_that_is_not_reached_says_nothing(self):
        done = subprocess.run(
            [sys.executable, ROOT / "requirements" / "audit.py", "false"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, "not audited" in done.stdout) == (3, True)


def test_a_wheel_is_the_same_bytes_whenever_and_wherever_it_is_built(tmp_path):
    wheels = [built(tmp_path, number, mask) for number, mask in enumerate((0o022, 0o002, 0o077))]
    digests = {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
    with zipfile.ZipFile(wheels[-1]) as wheel:
        modes = {entry.external_attr >> 16 & 0o7777 for entry in wheel.infolist()}
    assert len(digests) == 1
    assert modes <= {0o644, 0o755, 0o664}


def built(folder, number, mask):
    """A wheel of a checkout of its own, by somebody with this umask."""
    checkout, into = folder / f"checkout{number}", folder / f"dist{number}"
    checkout.mkdir()
    into.mkdir()
    for name in PARTS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, checkout / name)
    for path in checkout.rglob("*.*"):
        if path.is_file():
            path.chmod(path.stat().st_mode & ~mask)
            os.utime(path, (1_000_000_000 + number * 777, 1_000_000_000 + number * 777))
    before = os.umask(mask)
    try:
        return build(checkout, into, 1_700_000_000)
    finally:
        os.umask(before)


def test_the_linter_looks_for_what_is_dangerous_everywhere_but_in_tests():
    lint = tomllib.loads(text_of("pyproject.toml"))["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    assert not [rule for rule in lint["ignore"] if re.fullmatch(r"S\d*", rule)]
    without = [path for path, rules in lint["per-file-ignores"].items() if "S" in rules]
    assert sorted(without) == ["bench/**", "tests/**"]
    some = {
        path: found
        for path, rules in lint["per-file-ignores"].items()
        if (found := {rule for rule in rules if re.fullmatch(r"S\d+", rule)})
    }
    assert some == {"worker/store/**": {"S608"}, "fuzz/**": {"S101", "S105", "S106", "S603"}}
