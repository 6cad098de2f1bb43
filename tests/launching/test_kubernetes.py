import json

import kubernetes_validate
import pytest
import yaml

from pipeline.config import KubernetesSchedule
from pipeline.core.errors import AGAIN_STATUS, ConfigurationError
from pipeline.launching.kubernetes import cron_job, object_name
from pipeline.launching.sessions import RUN_VARIABLE

SCHEDULE = KubernetesSchedule(
    kind="kubernetes", when="0 2 * * *", image="registry/sweetspot:1", pods=3, claim="runs",
    secret="storage", gpus=1, cpus=4, memory="8Gi",
)  # fmt: skip


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_the_manifest_keeps_the_published_schema(version):
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
    kubernetes_validate.validate(manifest, version, strict=True)
    manifest["spec"]["jobTemplate"]["spec"]["completions"] = "three"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_pods_share_one_sweep_and_runs_do_not_overlap():
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
    assert manifest["spec"]["concurrencyPolicy"] == "Forbid"
    job = manifest["spec"]["jobTemplate"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 3, 3)
    (container,) = job["template"]["spec"]["containers"]
    assert container["args"] == [
        "sweep", "--scheduled", "data=digits", "launch=peer", "launch.workers=1",
        "mlruns=/sweetspot/mlruns",
    ]  # fmt: skip
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["envFrom"] == [{"secretRef": {"name": "storage"}}]


def test_pods_go_to_nodes_of_their_own_where_there_are_enough():
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
    template = manifest["spec"]["jobTemplate"]["spec"]["template"]
    rules = template["spec"]["affinity"]["podAntiAffinity"]
    (rule,) = rules.pop("preferredDuringSchedulingIgnoredDuringExecution")
    assert rules == {}  # a cluster of one node runs them all the same
    term = rule["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_pods_train_with_the_backend_of_whoever_schedules(monkeypatch):
    def variables():
        manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
        (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        return {item["name"]: item.get("value") for item in container["env"]}

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert "KERAS_BACKEND" not in variables()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert variables()["KERAS_BACKEND"] == "jax"


def test_words_stay_words():
    word = "sweep_name='a: {b}\n- c'"
    assert json.dumps(word) in json.dumps(yaml.safe_load(cron_job("a", (word,), SCHEDULE)))


@pytest.mark.parametrize("word", ["launch=slurm", "launch.workers=2", "mlruns=/elsewhere"])
def test_what_the_manifest_says_itself_is_refused(word):
    with pytest.raises(ConfigurationError, match="leave it out"):
        cron_job("nightly", (word,), SCHEDULE)


def test_names_are_what_kubernetes_allows():
    assert object_name("Digits_small.7") == "sweetspot-digits-small-7"
    assert len(object_name(100 * "a")) == 52
    assert object_name(f"{100 * 'a'}-0f1e2d").endswith("aa-0f1e2d")


def test_the_pods_of_a_night_know_that_they_belong_together():
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
    (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (run,) = [item for item in container["env"] if item["name"] == RUN_VARIABLE]
    path = run["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['batch.kubernetes.io/job-name']"


def test_what_a_second_try_cannot_mend_is_not_tried_again():
    job = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))["spec"]["jobTemplate"]
    rules = job["spec"]["podFailurePolicy"]["rules"]
    actions = {
        status: rule["action"]
        for rule in rules
        if "onExitCodes" in rule
        for status in rule["onExitCodes"]["values"]
    }
    assert actions == {AGAIN_STATUS: "Ignore", 1: "FailIndex", 2: "FailIndex"}
    # An eviction may end a pod with any status, and the first rule that matches counts.
    assert [rule["action"] for rule in rules] == ["Ignore", "Ignore", "FailIndex"]
    # FailIndex needs it, and with a limit for all pods together one would end the others.
    assert job["spec"]["backoffLimitPerIndex"] > 0 and "backoffLimit" not in job["spec"]


def test_pods_keep_the_restricted_standard():
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {kind for volume in pod["volumes"] for kind in volume} == {
        "name", "persistentVolumeClaim",
    }  # fmt: skip


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_a_night_is_where_somebody_says(version):
    berlin = SCHEDULE.model_copy(update={"time_zone": "Europe/Berlin"})
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), berlin))
    kubernetes_validate.validate(manifest, version, strict=True)
    assert manifest["spec"]["timeZone"] == "Europe/Berlin"
    manifest = yaml.safe_load(cron_job("nightly", ("data=digits",), SCHEDULE))
    assert "timeZone" not in manifest["spec"]  # null is no name of one
