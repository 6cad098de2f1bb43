"""A Kubernetes CronJob that runs a sweep regularly: an Indexed Job of pods that share it."""

from typing import Any

import yaml

from pipeline.config import KubernetesSchedule
from pipeline.core.errors import AGAIN_STATUS, ConfigurationError, SweetspotError
from pipeline.launching.sessions import RUN_VARIABLE
from pipeline.measuring.backends import backend_part

#: Where the volume is mounted; the Containerfile makes both folders.
_MLRUNS = "/sweetspot/mlruns"
_DATA = "/sweetspot/data"
#: Names of CronJobs leave 11 characters for what Kubernetes appends to those of their jobs.
_LONGEST_NAME = 52
#: Characters of a question's digest in a name, with the hyphen before it.
_END = 7
#: The name of a pod's Job, which is another one each night.
_JOB_OF_THE_POD = "metadata.labels['batch.kubernetes.io/job-name']"
#: What all pods of this project have in common.
_LABEL = {"app.kubernetes.io/name": "sweetspot"}
#: So long a pod that is told to leave may take.
_GRACE_SECONDS = 60
#: How often a pod is started anew after an end that nothing is known about.
_MOST_FAILURES = 6
#: A trial that failed stays counted, and what was asked wrongly is wrong a second time. The other
#: pods go on, for whoever is last writes the report.
_FINAL = (1, SweetspotError.status)


def object_name(sweep: str) -> str:
    """Return a sweep's name as Kubernetes allows it: lower case, digits and hyphens."""
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in sweep.lower())
    name = f"sweetspot-{name}"
    if len(name) > _LONGEST_NAME:  # the end tells questions apart
        name = f"{name[: _LONGEST_NAME - _END]}{name[-_END:]}"
    return name.strip("-")


def cron_job(sweep: str, words: tuple[str, ...], schedule: KubernetesSchedule) -> str:
    """Return the manifest.

    Parameters
    ----------
    words
        What behind ``sweetspot sweep`` says which sweep it is.

    Raises
    ------
    ConfigurationError
        A setting that the manifest has to say itself.
    """
    for word in words:
        if word.partition("=")[0].partition(".")[0] in ("mlruns", "launch"):
            raise ConfigurationError(
                f"{word}: in a pod mlruns is {_MLRUNS} and launch is peer; leave it out"
            )
    limits: dict[str, Any] = {"cpu": str(schedule.cpus), "memory": schedule.memory}
    if schedule.gpus:
        limits["nvidia.com/gpu"] = str(schedule.gpus)
    container: dict[str, Any] = {
        "name": "worker",
        "image": schedule.image,
        "args": [
            "sweep", "--scheduled", *words, "launch=peer", "launch.workers=1", f"mlruns={_MLRUNS}",
        ],
        "env": [
            {"name": "SWEETSPOT_DATA_DIR", "value": _DATA},
            {"name": RUN_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": _JOB_OF_THE_POD}}},
            *({"name": name, "value": value} for name, value in backend_part().items()),
        ],
        "resources": {"requests": dict(limits), "limits": limits},
        "volumeMounts": [
            {"name": "shared", "mountPath": _MLRUNS, "subPath": "mlruns"},
            {"name": "shared", "mountPath": _DATA, "subPath": "data", "readOnly": True},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip
    if schedule.secret is not None:
        container["envFrom"] = [{"secretRef": {"name": schedule.secret}}]
    # Pods do not see each other's locks, so two on one node would measure in each other's noise.
    elsewhere = {
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": dict(_LABEL)},
        },
    }
    pod = {
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [elsewhere]}
        },
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "shared", "persistentVolumeClaim": {"claimName": schedule.claim}},
        ],
    }  # fmt: skip
    # A pod that was told to leave is started again, and is no failure.
    told = _on_status("Ignore", AGAIN_STATUS)
    final = _on_status("FailIndex", *_FINAL)
    moved = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    job = {
        "completionMode": "Indexed",
        "completions": schedule.pods,
        "parallelism": schedule.pods,
        "backoffLimitPerIndex": _MOST_FAILURES,
        "podFailurePolicy": {"rules": [told, moved, final]},
        "template": {"metadata": {"labels": dict(_LABEL)}, "spec": pod},
    }
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": object_name(sweep)},
        "spec": {
            "schedule": schedule.when,
            **({} if schedule.time_zone is None else {"timeZone": schedule.time_zone}),
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
    }
    return yaml.safe_dump(manifest, sort_keys=False)


def _on_status(action: str, *values: int) -> dict[str, Any]:
    """Return a rule for pods whose worker ends with one of these exit statuses."""
    codes = {"containerName": "worker", "operator": "In", "values": list(values)}
    return {"action": action, "onExitCodes": codes}
