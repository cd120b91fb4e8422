"""The files below deploy/, against the schemas of those who read them, and against the worker."""

import importlib.resources
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.documents import ROOT, blocks, languages, text_of

from worker.service.shutdown import LONGEST_SECONDS
from worker.settings import Settings
from worker.settings.inputs import CREDENTIALS
from worker.settings.loading import load_settings

DEPLOY = ROOT / "deploy"
CONTAINER = text_of("docs/install/container.md")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
USER = int(re.search(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)[1])
FOLDER = re.search(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)[1]
LISTEN = "0.0.0.0:9109"


def load(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


(COMPOSE,) = load("compose.yaml")
KUBERNETES = {name: load(f"kubernetes/{name}.yaml") for name in ("postgresql", "sqlite")}
TASK = json.loads((DEPLOY / "ecs-task-definition.json").read_text(encoding="utf-8"))


def test_the_image_sets_no_setting_and_keeps_its_database_in_its_volume():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "SES_WORKER_" not in last
    assert re.search(r"^WORKDIR (\S+)$", last, re.MULTILINE)[1] == FOLDER
    url = Settings().store.url.get_secret_value()
    assert url == f"sqlite:///{Path.cwd() / 'ses-worker.db'}"  # in WORKDIR
    assert Settings().http.listen  # what `check --live` asks


class TestCompose:
    WORKER = COMPOSE["services"]["worker"]

    def test_it_is_a_compose_file_by_composes_own_schema(self):
        from jsonschema.validators import validator_for

        schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
        schema = json.loads((schemas / "compose-spec.json").read_text(encoding="utf-8"))
        validator = validator_for(schema)(schema)
        assert [error.message for error in validator.iter_errors(COMPOSE)] == []

        wrong = COMPOSE | {"services": {"worker": {"imagine": "x"}}}
        assert list(validator.iter_errors(wrong))

    def test_the_variables_of_the_worker_are_settings(self):
        given = {name: value for name, value in self.WORKER["environment"].items() if value}
        given["SES_WORKER_QUEUE__URL"] = "https://sqs.eu-west-1.amazonaws.com/111122223333/q"
        given.pop("CREDENTIALS_DIRECTORY")
        settings = load_settings(given)
        assert settings.http.listen == LISTEN

    def test_secrets_are_files_where_the_worker_looks_for_them(self):
        assert self.WORKER["environment"]["CREDENTIALS_DIRECTORY"] == "/run/secrets"
        assert set(self.WORKER["secrets"]) <= set(CREDENTIALS)
        for secret in COMPOSE["secrets"].values():
            assert secret["file"].startswith("secrets/")
        assert "deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    def test_every_file_that_it_mounts_is_there(self):
        for service in COMPOSE["services"].values():
            for volume in service.get("volumes", []):
                source = volume.partition(":")[0]
                assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file(), source

    def test_the_worker_may_write_nowhere_and_is_given_time_to_stop(self):
        assert self.WORKER["read_only"]
        assert "tmpfs" not in self.WORKER
        assert self.WORKER["cap_drop"] == ["ALL"]
        assert int(self.WORKER["stop_grace_period"].removesuffix("s")) > LONGEST_SECONDS

    def test_only_loopback_is_published(self):
        ports = [
            port for service in COMPOSE["services"].values() for port in service.get("ports", [])
        ]
        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", KUBERNETES)
class TestKubernetes:
    def workload(self, name):
        (found,) = (item for item in KUBERNETES[name] if "template" in item.get("spec", {}))
        return found

    def pod(self, name):
        return self.workload(name)["spec"]["template"]["spec"]

    def container(self, name):
        (found,) = self.pod(name)["containers"]
        return found

    def test_each_object_is_valid_by_kubernetes_own_schema_and_has_no_other_field(self, name):
        import kubernetes_validate

        for version in ("1.30", kubernetes_validate.latest_version()):
            for item in KUBERNETES[name]:
                kubernetes_validate.validate(item, version, strict=True)
        wrong = json.loads(json.dumps(self.workload(name)))
        wrong["spec"]["template"]["spec"]["terminationGrace"] = 60
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)

    def test_its_settings_are_settings_and_it_listens_to_the_probes(self, name, tmp_path):
        (settings,) = (item["data"] for item in KUBERNETES[name] if item["kind"] == "ConfigMap")
        (tmp_path / "worker.toml").write_text(settings["worker.toml"])
        assert load_settings({}, tmp_path / "worker.toml").http.listen == LISTEN
        (mount,) = (m for m in self.container(name)["volumeMounts"] if m["name"] == "settings")
        assert mount["mountPath"] == "/etc/ses-worker"

    def test_no_service_of_the_same_name_can_misconfigure_it(self, name):
        from worker.core.errors import Misconfigured

        with pytest.raises(Misconfigured):  # what Kubernetes sets otherwise
            load_settings({"SES_WORKER_PORT": "tcp://10.0.0.1:9109"})
        assert self.pod(name)["enableServiceLinks"] is False

    def test_its_probes_ask_the_pages_that_the_worker_answers(self, name):
        container = self.container(name)
        (port,) = container["ports"]
        assert LISTEN.endswith(f":{port['containerPort']}")
        paths = {
            probe: container[f"{probe}Probe"]["httpGet"]["path"]
            for probe in ("liveness", "readiness")
        }
        assert paths == {"liveness": "/healthz", "readiness": "/readyz"}
        assert container["livenessProbe"]["httpGet"]["port"] == port["name"]

    def test_it_is_given_time_to_stop(self, name):
        assert self.pod(name)["terminationGracePeriodSeconds"] > LONGEST_SECONDS

    def test_it_is_not_root_and_its_root_is_read_only(self, name):
        pod, container = self.pod(name)["securityContext"], self.container(name)["securityContext"]
        assert pod["runAsNonRoot"]
        assert (pod["runAsUser"], pod["fsGroup"]) == (USER, USER)
        assert container["readOnlyRootFilesystem"]
        assert not container["allowPrivilegeEscalation"]
        assert container["capabilities"] == {"drop": ["ALL"]}

    def test_secrets_are_files_where_the_worker_looks_for_them(self, name):
        container = self.container(name)
        environment = {item["name"]: item["value"] for item in container["env"]}
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert mounts["secrets"]["mountPath"] == environment["CREDENTIALS_DIRECTORY"]
        (secret,) = (v["secret"] for v in self.pod(name)["volumes"] if v["name"] == "secrets")
        assert secret["defaultMode"] == 0o440  # of the pod's group

    def test_a_sqlite_file_has_a_single_worker_and_a_volume(self, name):
        workload, mounts = self.workload(name), self.container(name)["volumeMounts"]
        if name == "sqlite":
            assert (workload["kind"], workload["spec"]["replicas"]) == ("StatefulSet", 1)
            assert {"name": "records", "mountPath": FOLDER} in mounts
            assert workload["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "records"
        else:
            assert workload["spec"]["strategy"] == {"type": "Recreate"}
            assert all(mount["readOnly"] for mount in mounts)


class TestEcs:
    (CONTAINER,) = TASK["containerDefinitions"]

    def test_it_is_a_task_definition_by_the_model_of_ecs(self):
        import botocore.session
        from botocore.validate import ParamValidator

        model = botocore.session.get_session().get_service_model("ecs")
        shape = model.operation_model("RegisterTaskDefinition").input_shape
        assert ParamValidator().validate(TASK, shape).generate_report() == ""
        wrong = TASK | {"memoryLimit": "1"}
        assert "memoryLimit" in ParamValidator().validate(wrong, shape).generate_report()

    def test_cfn_lint_finds_nothing_wrong_with_it_either(self, tmp_path):
        template = tmp_path / "task.json"
        task = {"Type": "AWS::ECS::TaskDefinition", "Properties": pascal(TASK)}
        template.write_text(json.dumps({"Resources": {"Task": task}}))
        from cfnlint.api import lint_file

        assert [str(match) for match in lint_file(template)] == []

    def test_its_variables_are_settings(self):
        given = {item["name"]: item["value"] for item in self.CONTAINER["environment"]}
        secrets = {item["name"] for item in self.CONTAINER["secrets"]}
        values = {
            "SES_WORKER_STORE__URL": "postgresql://u@h/d",
            "SES_WORKER_SLACK__WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x",
        }
        assert secrets == set(values)
        settings = load_settings(given | values)
        assert settings.http.listen == LISTEN
        assert settings.queue.url.startswith("https://sqs.")

    def test_it_is_given_time_to_stop_and_no_more_than_fargate_grants(self):
        assert LONGEST_SECONDS < self.CONTAINER["stopTimeout"] <= 120

    def test_it_is_not_root_and_its_root_is_read_only(self):
        assert self.CONTAINER["user"] == f"{USER}:{USER}"
        assert self.CONTAINER["readonlyRootFilesystem"]
        assert self.CONTAINER["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}

    def test_its_health_is_what_the_image_asks_for(self):
        command = json.loads(re.search(r"HEALTHCHECK[^[]*CMD (\[.*\])", DOCKERFILE)[1])
        assert self.CONTAINER["healthCheck"]["command"] == ["CMD", *command]


MAPS = {"options"}
"""Keys whose values have names of their own."""


def pascal(value, key=""):
    """In CloudFormation's spelling."""
    if isinstance(value, dict):
        return {
            name if key in MAPS else name[0].upper() + name[1:]: pascal(item, name)
            for name, item in value.items()
        }
    return [pascal(item, key) for item in value] if isinstance(value, list) else value


PROMETHEUS = text_of("docs/prometheus.md")


class TestPrometheus:
    (SHOWN,) = map(yaml.safe_load, blocks(PROMETHEUS, "yaml"))
    (COMPOSED,) = load("prometheus.yml")

    @pytest.mark.parametrize("given", [SHOWN, COMPOSED], ids=["page", "compose"])
    def test_the_job_has_the_name_that_the_alerts_know(self, given):
        (job,) = given["scrape_configs"]
        alerts = (ROOT / "config" / "prometheus-alerts.yml").read_text(encoding="utf-8")
        assert f'job="{job["job_name"]}"' in alerts
        assert set(job) <= {"job_name", "scrape_interval", "static_configs"}
        assert set(given) <= {"rule_files", "scrape_configs"}

    def test_the_targets_are_where_the_worker_listens(self):
        (job,) = self.SHOWN["scrape_configs"]
        assert job["static_configs"] == [{"targets": [Settings().http.listen]}]
        (job,) = self.COMPOSED["scrape_configs"]
        assert job["static_configs"] == [{"targets": [f"worker:{LISTEN.partition(':')[2]}"]}]

    def test_the_alerts_are_where_the_rules_are_looked_for(self):
        (rules,) = self.SHOWN["rule_files"]
        assert rules == "/opt/ses-worker/share/ses-worker/config/prometheus-alerts.yml"
        (rules,) = self.COMPOSED["rule_files"]
        mounted = COMPOSE["services"]["prometheus"]["volumes"]
        assert f"../config/prometheus-alerts.yml:/etc/prometheus/{rules}:ro" in mounted

    def test_promtool_finds_nothing_wrong(self, tmp_path):
        promtool = shutil.which("promtool")
        if not promtool:
            pytest.skip("promtool is not here: Debian's package prometheus has it")
        for given in (self.SHOWN, self.COMPOSED):
            rules = str(ROOT / "config" / "prometheus-alerts.yml")
            file = tmp_path / "prometheus.yml"
            file.write_text(yaml.safe_dump(given | {"rule_files": [rules]}))
            subprocess.run([promtool, "check", "config", file], check=True, capture_output=True)


class TestPage:
    def test_every_file_that_it_names_is_there(self):
        named = set(re.findall(r"`((?:deploy|config)/[\w./-]+)`", CONTAINER))
        named |= set(re.findall(r"(deploy/[\w./-]+\.(?:yaml|json))", CONTAINER))
        named.discard("deploy/secrets")
        assert len(named) > 4
        assert [name for name in sorted(named) if not (ROOT / name).exists()] == []

    def test_every_documented_period_is_longer_than_a_stop(self):
        assert languages(CONTAINER) == {"console"}
        timeouts = re.findall(r"--stop-timeout (\d+)", CONTAINER)
        assert timeouts
        assert all(int(seconds) > LONGEST_SECONDS for seconds in timeouts)
        assert f"a stop takes up to {LONGEST_SECONDS:.0f} s" in CONTAINER

    def test_kubectl_makes_the_secret_that_the_manifests_mount(self, tmp_path):
        kubectl = shutil.which("kubectl")
        if not kubectl:
            pytest.skip("kubectl is not here")
        (line,) = re.findall(r"^kubectl (create secret .*)$", CONTAINER, re.MULTILINE)
        for name in re.findall(r"--from-file=(\w+)", line):
            (tmp_path / name).write_text("x")
            assert name in CREDENTIALS
        done = subprocess.run(
            [kubectl, *line.split(), "--dry-run=client", "--output=yaml"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        made = yaml.safe_load(done.stdout)
        assert (made["kind"], made["metadata"]["name"]) == ("Secret", "ses-worker")
