"""The runs of one sweep in MLflow: found, written and removed through ``MlflowClient``.

Importing this module imports MLflow, which takes seconds; ``mirror`` does so in time.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.types import Schema, TensorSpec

from pipeline.core.description import DataDescription
from pipeline.core.errors import StorageError
from pipeline.core.trial import RunKey
from pipeline.tracking.artifacts import remove_file, size_of, write_file
from pipeline.tracking.entities import (
    registered_versions,
    remove_model,
    run_models,
    sweep_runs,
)
from pipeline.tracking.keras_model import write_model_folder
from pipeline.tracking.ownership import OWNER_TAG, PARENT_TAG, Owner, part
from pipeline.tracking.points import Point
from pipeline.tracking.projection import RunView
from pipeline.tracking.run_state import KnownRun, Mirrored, RunContent
from pipeline.tracking.shared_view import (
    SWEEPS_VIEW,
    sweeps_state,
    view_link,
    view_state,
    view_tag,
)

#: How far a run is mirrored; MLflow's pages do not list tags whose names start like this.
MIRRORED_TAG = "mlflow.sweetspot.mirrored"
_NOTE = "mlflow.note.content"
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100
_LONGEST_TAG = 5000
_DIGEST_LENGTH = 12  # MLflow takes 36 at most; the whole fingerprint is in a tag
_PAGE = 1000
_Item = TypeVar("_Item")


class SweepRuns:
    """Reads and writes the runs of one sweep.

    Parameters
    ----------
    artifact_location
        Where a new experiment keeps its artifacts; None lets the server decide.
    owner
        What stands for the sweep.
    shared
        Whether the store is a server's, which may have others of this name.
    renaming
        The command that gives the sweep another name.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment: str,
        artifact_location: str | None,
        sweep: str,
        *,
        owner: Owner,
        shared: bool,
        renaming: str,
    ) -> None:
        self._client = client
        self._sweep = sweep
        self._owner = owner
        self._shared = shared
        self._renaming = renaming
        self._experiment_id = _experiment(client, experiment, artifact_location, shared=shared)

    def find(self) -> dict[RunKey | None, KnownRun]:
        """Return the sweep's runs by training; its own run has None.

        A second run of one training, which a request that timed out but was carried out leaves
        behind, is put into MLflow's trash.

        Raises
        ------
        StorageError
            Another sweep has this name already.
        """
        found: dict[RunKey | None, KnownRun] = {}
        every = sweep_runs(self._client, [self._experiment_id], self._sweep)
        own, others = part(every, self._owner, shared=self._shared)
        for run in own:
            trial = run.data.tags.get("trial")
            repetition = int(run.data.tags.get("repetition", 0))
            key = None if trial is None else RunKey(int(trial), repetition)
            if key is None and self._owner.digest and OWNER_TAG not in run.data.tags:
                self._client.set_tag(run.info.run_id, OWNER_TAG, self._owner.digest)
            known = _known(run)
            if key not in found:
                found[key] = known
            else:
                kept, other = sorted((found[key], known), key=lambda run: run.mirrored is None)
                self._client.delete_run(other.run_id)
                found[key] = kept
        if others and None not in found:
            raise StorageError(
                f"MLflow at {self._client.tracking_uri} has another sweep that is called "
                f"{self._sweep}, so this one is not brought there: remove the other one, or give "
                f"this one a name of its own ({self._renaming}); training goes on"
            )
        return found

    def put_below(self, run: KnownRun, parent_id: str) -> KnownRun:
        """Make a trial's run one of the sweep's, whose own was removed and made anew."""
        if run.parent_id == parent_id:
            return run
        self._client.set_tag(run.run_id, PARENT_TAG, parent_id)
        return replace(run, parent_id=parent_id)

    def create(self, view: RunView, parent_id: str | None) -> KnownRun:
        """Create the run of a view; of a sweep where there is no parent."""
        tags = dict(view.tags)
        if parent_id is not None:
            tags[PARENT_TAG] = parent_id
        elif self._owner.digest:
            tags[OWNER_TAG] = self._owner.digest
        tags |= {"mlflow.source.name": "sweetspot", "mlflow.source.type": "LOCAL"}
        run = self._client.create_run(
            self._experiment_id,
            start_time=_milliseconds(view.started),
            tags=_shortened(tags),
            run_name=view.name,
        )
        return _known(run)

    def write(
        self, run: KnownRun, content: RunContent, data: DataDescription, *, artifacts: bool = True
    ) -> tuple[KnownRun, Exception | None]:
        """Bring a run from what is mirrored to its content.

        Everything in here may be repeated; how far the run is, is kept last.

        Parameters
        ----------
        artifacts
            Whether files and the model are brought, too.

        Returns
        -------
        tuple[KnownRun, Exception or None]
            The run as it is then, and why it lacks files or the model although all else is there.
        """
        view, before, after = content.view, run.mirrored or Mirrored(), content.mirrored
        if run.mirrored is None:
            self._describe_data(run, data)
            self._log_params(run, view.params)
        log_end, sweep_end = before.position
        points = [point for point in view.points if point.end > log_end]
        points += [point for point in view.sweep_points if point.end > sweep_end]
        self._log_metrics(run, points)
        self._set_tags(run, self._linked(run, view.tags))
        for name in set(before.tags) - set(after.tags):
            self._remove_tag(run, name)
        refused = None
        if artifacts:
            after, refused = self._bring_artifacts(run, content, data)
        else:
            after = replace(after, files=before.files, model=before.model, complete=False)
        self._set_status(run, view)
        self._client.set_tag(run.run_id, MIRRORED_TAG, after.to_text())
        return replace(run, mirrored=after, status=view.status), refused

    def _bring_artifacts(
        self, run: KnownRun, content: RunContent, data: DataDescription
    ) -> tuple[Mirrored, Exception | None]:
        """Bring files and the model up to the first that is refused; return what is there then.

        Whatever goes wrong here is the artifacts': where it is the server, what follows tells.
        """
        before, after = run.mirrored or Mirrored(), content.mirrored
        there, model = dict(before.files), before.model
        changed = [name for name in after.files if there.get(name) != after.files[name]]
        try:
            # What is refused for its size comes after all that is not.
            for name in sorted(changed, key=lambda name: size_of(content.files[name])):
                write_file(self._client, run, name, content.files[name])
                there[name] = after.files[name]
            for name in before.files.keys() - after.files.keys():
                remove_file(self._client, run, name)
                del there[name]
            if content.keras_file is not None:
                self._attach_model(run, content, data)
            elif before.model is not None or not before.complete:
                self._remove_models(run, run_models(self._client, self._experiment_id, run.run_id))
            model = after.model
        except Exception as error:
            return replace(after, files=there, model=model, complete=False), error
        return after, None

    def share_view(self, sweep_run: KnownRun, costs: Sequence[str]) -> None:
        """Let MLflow's pages show all sweeps, and this one's trials with its costs, as tables."""
        views = {
            view_tag(SWEEPS_VIEW): sweeps_state(),
            view_tag(sweep_run.run_id): view_state(sweep_run.run_id, costs),
        }
        known = self._client.get_experiment(self._experiment_id).tags
        for tag, state in views.items():
            if known.get(tag) != state:
                self._client.set_experiment_tag(self._experiment_id, tag, state)

    def _linked(self, run: KnownRun, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags with a way from the sweep's description to its table."""
        note = tags.get(_NOTE)
        if note is None:
            return dict(tags)
        title, _, story = note.partition("\n")
        link = view_link(self._experiment_id, run.run_id)
        return {**tags, _NOTE: f"{title}\n\n{link}\n{story}"}

    def _log_params(self, run: KnownRun, params: Mapping[str, str]) -> None:
        for batch in _batches([Param(*item) for item in params.items()], _PARAMS_A_BATCH):
            self._client.log_batch(run.run_id, params=batch)

    def _log_metrics(self, run: KnownRun, points: Sequence[Point], model_id: str = "") -> None:
        """Write metrics; MLflow leaves out those that it has already."""
        metrics = [
            Metric(
                point.name, point.value, _milliseconds(point.time), point.step,
                model_id=model_id or None,
            )
            for point in points
        ]  # fmt: skip
        for batch in _batches(metrics, _METRICS_A_BATCH):
            self._client.log_batch(run.run_id, metrics=batch)

    def _set_tags(self, run: KnownRun, tags: Mapping[str, str]) -> None:
        self._client.log_batch(
            run.run_id, tags=[RunTag(name, text) for name, text in _shortened(tags).items()]
        )

    def _remove_tag(self, run: KnownRun, name: str) -> None:
        try:
            self._client.delete_tag(run.run_id, name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def _set_status(self, run: KnownRun, view: RunView) -> None:
        if view.status == "RUNNING":
            if run.status != "RUNNING":
                self._client.update_run(run.run_id, status="RUNNING")
        else:
            ended = None if view.ended is None else _milliseconds(view.ended)
            self._client.set_terminated(run.run_id, status=view.status, end_time=ended)

    def _describe_data(self, run: KnownRun, data: DataDescription) -> None:
        """Note the data as the run's input; a second time changes nothing."""
        images = TensorSpec(np.dtype("uint8"), (-1, *data.image_shape), "images")
        labels = TensorSpec(np.dtype("int64"), (-1,), "labels")
        schema = {"features": Schema([images]).to_json(), "targets": Schema([labels]).to_json()}
        profile = {
            "train": data.train,
            "validation": data.validation,
            "test": data.test,
            "classes": list(data.classes),
        }
        dataset = Dataset(
            name=data.name,
            digest=data.fingerprint[:_DIGEST_LENGTH],
            source_type="code",
            source=json.dumps({"tags": {"fingerprint": data.fingerprint}}),
            schema=json.dumps({"mlflow_tensorspec": schema}),
            profile=json.dumps(profile),
        )
        context = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(run.run_id, datasets=[DatasetInput(dataset, [context])])

    def _attach_model(self, run: KnownRun, content: RunContent, data: DataDescription) -> None:
        """Make the content's file the run's only model; nothing happens where it is already."""
        view, digest = content.view, content.mirrored.model
        assert content.keras_file is not None and digest is not None
        models = run_models(self._client, self._experiment_id, run.run_id)
        there = [model for model in models if model.tags.get("digest") == digest]
        # One whose files were refused is gone on with: a server never empties its trash.
        begun = [model for model in models if model.status == LoggedModelStatus.PENDING]
        kept = (there or begun)[:1]
        self._remove_models(run, [model for model in models if model not in kept])
        if there:
            return
        model = next(iter(kept), None) or self._client.create_logged_model(
            self._experiment_id,
            # MLflow refuses dots, and some other characters that do not occur, in these names.
            name=view.name.replace(" ", "-").replace(".", "_"),
            source_run_id=run.run_id,
            params=dict(view.params),
            tags={"sweep": self._sweep, "trial": view.tags["trial"]},
        )
        with tempfile.TemporaryDirectory(prefix="sweetspot-") as temporary:
            folder = Path(temporary, "model")
            write_model_folder(
                content.keras_file,
                folder,
                model_id=model.model_id,
                run_id=run.run_id,
                classes=data.classes,
                created=view.model_time,
            )
            self._client.log_model_artifacts(model.model_id, str(folder))
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(run.run_id, models=[LoggedModelOutput(model.model_id, step=0)])
        once = [point for point in view.points if point.name.startswith(("cost/", "kept_"))]
        self._log_metrics(run, once, model_id=model.model_id)
        # Last, so that a model that was interrupted on its way is replaced.
        self._client.set_logged_model_tags(model.model_id, {"digest": digest})

    def _remove_models(self, run: KnownRun, models: Sequence[LoggedModel]) -> None:
        if not models or registered_versions(self._client, {run.run_id}):
            return  # what somebody promoted stays for them
        for model in models:
            remove_model(self._client, model)


def _experiment(
    client: MlflowClient, name: str, artifact_location: str | None, *, shared: bool
) -> str:
    known = client.get_experiment_by_name(name)
    if known is None:
        tags = {
            _NOTE: "Sweeps over the width, kernel size and depth of convolutional "
            "networks: one run a sweep, and below it one run a trial.",
            # Without it, MLflow's pages ask what the experiment is for.
            "mlflow.experimentKind": "custom_model_development",
        }
        try:
            return str(client.create_experiment(name, artifact_location, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            known = client.get_experiment_by_name(name)
            assert known is not None
    if known.lifecycle_stage == "deleted":
        if shared:  # whoever put it there may not want it back
            raise StorageError(
                f"the experiment {name} of MLflow at {client.tracking_uri} is in MLflow's trash: "
                "restore it there, or empty the trash; training goes on"
            )
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _known(run: Run) -> KnownRun:
    return KnownRun(
        run_id=run.info.run_id,
        status=run.info.status,
        artifact_uri=run.info.artifact_uri,
        mirrored=Mirrored.from_text(run.data.tags.get(MIRRORED_TAG)),
        parent_id=run.data.tags.get(PARENT_TAG),
    )


def _shortened(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text if len(text) <= _LONGEST_TAG else text[: _LONGEST_TAG - 1] + "…"
        for name, text in tags.items()
    }


def _batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
