"""What the fuzzer starts from: sound inputs of each parser, damaged ones, and former failures."""

import gzip
import itertools
import json
import math
import struct

from pipeline.core.architecture import REFERENCES
from pipeline.core.journey import shape_journey
from pipeline.core.trial import EpochResult, Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.tracking import events

_SETTINGS = (
    "data=digits", "search.trials=20", "space/depth=deep space/filters=wide",
    "space.filters.choices=[8,16,24] space.depth.choices=[1,2]", "objective.limits.macs=1e6",
    "space.filters.low=4 space.filters.high=64 space.filters.log=true", "~experiment", "+a=b",
    "architecture=32k5sb-64k3a-d128p0.3", "sweep_name=../../etc", "notify.command=[mail,-s,x]",
    "launch=slurm launch.workers=16 launch.partition=gpu", "data.dir='${oc.env:HOME}'",
    "training.epochs=choice(1,2,3)", "search.seed=glob(*)", "tracking.uri=http://box:5000",
    "hydra.run.dir=x", "data=folder data.classes=[a,b] data.image_size=32", "debug=tiny",
)  # fmt: skip
_ARCHITECTURES = (
    "d128", "64k3-64k3-d128", "32k5sb-64k3a-d128p0.3", "8k1n-d1p1e-05", "1k7snb-d64p0",
    f"{'9' * 5000}k3-d1", f"d{'9' * 5000}", "d1p9e999", "64k2-d1", "-d1", "",
)  # fmt: skip
_QUESTIONS = (
    (), ("launch=slurm",), ("storage=postgres",), ("data=idx", "data.dir=/data"),
    ("space=wide", "objective=two_costs"),
)  # fmt: skip


def architectures() -> list[bytes]:
    """Return architectures in their notation, and what is none."""
    return [text.encode() for text in _ARCHITECTURES]


def settings() -> list[bytes]:
    """Return words of command lines."""
    return [text.encode() for text in _SETTINGS]


def idx_files() -> list[bytes]:
    """Return small IDX files, plain, packed and cut off."""
    plain = [_idx(2, 4, 4), _idx(5), _idx(1, 3, 3, 3), _idx(0, 28, 28), _idx(1, 1, 1, 1, 1)]
    packed = [gzip.compress(data, mtime=0) for data in plain]
    announced = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    nothing = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 0)
    return [*plain, *packed, packed[0][:-6], packed[0] + packed[1] + bytes(3), announced, nothing]


def _idx(*shape: int) -> bytes:
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    return header + bytes(index % 251 for index in range(math.prod(shape)))


def config_files() -> list[bytes]:
    """Return configurations as sweeps keep them, and damaged ones."""
    import yaml

    from pipeline.commands.arguments import CommandLine
    from pipeline.commands.compose import compose

    whole = []
    for words in _QUESTIONS:
        config = compose(CommandLine(command="sweep", overrides=words))
        whole.append(yaml.safe_dump(config.model_dump(mode="json")).encode())
    return [*whole, whole[0][:900], b"a: &a [*a]\n", b"- 1\n", b"2024-99-99\n", b"? [1]\n: 2\n"]


def event_logs() -> list[bytes]:
    """Return the logs of a trial and of a sweep as they are written, and damaged ones."""
    trial, sweep = _log(*_trial_contents()), _log(*_SWEEP_CONTENTS)
    # Zeros are what a file system may leave where the power failed.
    return [trial, sweep, trial[:-20], bytes(40) + trial, b"[" * 5000 + b"\n", b"\n\n"]


_SWEEP_CONTENTS: tuple[events.SweepContent, ...] = (
    events.SessionStarted(workers=2, host="box", versions={"keras": "3"}, git_commit=None),
    events.SummaryChanged(ended=1, metrics={"front/members": 1.0}),
    events.TestRead(trial=1, accuracy=0.5, correct=1, images=2, reason="it is the sweet spot"),
    events.SessionEnded(wall_seconds=9.0, exit_status=0, concludes=True),
    events.Concluded(),
)


def _trial_contents() -> list[events.TrialContent]:
    recipe = Recipe(batch_size=128, optimizer="adam", learning_rate=0.001, schedule="one_cycle")
    cnn = TrialSpecification(number=1, architecture=REFERENCES["cnn"], recipe=recipe, seed=7)
    epoch = EpochResult(
        epoch=1, train_loss=0.5, train_accuracy=0.8, val_loss=0.6, val_accuracy=0.75,
        epoch_seconds=2.5, images_per_second=480.0,
    )  # fmt: skip
    record = TrialRecord(
        specification=cnn, outcome=Outcome.COMPLETE, val_accuracy=0.75, history=(epoch,),
        costs={"macs": 3e6}, clocks={"training": 7.5}, ended=9.0,
    )  # fmt: skip
    return [
        events.Started(attempt=0, specification=cnn, worker="0", host="box", pid=7, device={}),
        events.Measured(
            attempt=0, costs={"macs": 3e6}, measurements={}, summary="Model: │ dense │",
            journey=shape_journey(cnn.architecture, (28, 28, 1), 10), clocks={"measuring": 2.5},
        ),
        events.EpochEnded(attempt=0, result=epoch),
        events.SystemSampled(attempt=0, metrics={"cpu_utilization_percentage": 50.0}),
        events.ModelKept(path="models/0001.keras"),
        events.Ended(attempt=0, record=record, details="Traceback"),
    ]  # fmt: skip


def _log(*contents: events.TrialContent | events.SweepContent) -> bytes:
    """Return a log's bytes, each event a second after the one before."""
    lines = [
        json.dumps({"time": time, "kind": content.kind, **content.to_values()}, ensure_ascii=False)
        for time, content in zip(itertools.count(2.0), contents)
    ]
    return "".join(f"{line}\n" for line in lines).encode()
