import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.architecture import Architecture
from pipeline.core.errors import StorageError
from pipeline.core.journey import shape_journey
from pipeline.core.trial import (
    EpochResult,
    Outcome,
    Recipe,
    TrialRecord,
    TrialSpecification,
)
from pipeline.tracking.event_log import Event, EventLog, read
from pipeline.tracking.events import (
    Concluded,
    Ended,
    EpochEnded,
    Measured,
    ModelKept,
    SessionEnded,
    SessionStarted,
    Started,
    SummaryChanged,
    SweepContent,
    SystemSampled,
    TestRead,
    TrialContent,
    content_of,
    record,
)

ARCHITECTURE = Architecture.parse("32k5sb-64k3a-d128p0.3")
SPECIFICATION = TrialSpecification(
    number=7,
    architecture=ARCHITECTURE,
    recipe=Recipe(batch_size=64, optimizer="sgd", learning_rate=0.01, schedule="cosine"),
    seed=3,
    attempt=1,
)
RESULT = EpochResult(
    epoch=2,
    train_loss=0.5,
    train_accuracy=0.75,
    val_loss=math.inf,
    val_accuracy=0.5,
    epoch_seconds=1.25,
    images_per_second=100.0,
)
CONTENTS: list[TrialContent | SweepContent] = [
    Started(
        attempt=1,
        specification=SPECIFICATION,
        worker="0",
        host="box",
        pid=12,
        device={"name": "cpu", "threads": 2},
    ),
    Measured(
        attempt=1,
        costs={"macs": 12.0},
        measurements={"latency_p90_ms": 1.0},
        summary="│ dense │",
        journey=shape_journey(ARCHITECTURE, (28, 28, 1), 10),
        clocks={"measuring": 2.5},
    ),
    EpochEnded(attempt=1, result=RESULT),
    SystemSampled(attempt=1, metrics={"cpu_utilization_percentage": 50.0}),
    Ended(
        attempt=1,
        record=TrialRecord(
            specification=SPECIFICATION,
            outcome=Outcome.FAILED,
            val_accuracy=0.5,
            costs={"macs": 12.0},
            clocks={"training": 2.0},
            history=(RESULT,),
            reason="ValueError: no",
            started=1.0,
            ended=2.0,
        ),
        details="Traceback …",
    ),
    ModelKept(path="models/0007.keras"),
    ModelKept(path=None),
    SessionStarted(workers=2, host="box", versions={"keras": "3"}, git_commit=None, threads=1),
    SessionEnded(wall_seconds=12.5, exit_status=1, concludes=True),
    Concluded(),
    TestRead(trial=7, accuracy=0.9, correct=9, images=10, reason="sweet spot"),
    SummaryChanged(ended=3, metrics={"front/members": 2.0}),
]
#: What the logs of earlier versions do not have.
LATER: dict[tuple[str, str], object] = {
    ("session_started", "threads"): None,
    ("session_started", "run"): None,
    ("session_ended", "concludes"): False,
    ("measured", "clocks"): {},
}


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_a_content_survives_its_log(content: TrialContent | SweepContent, tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl") as log:
        record(log, content)
    (event,) = read(tmp_path / "log.jsonl")
    assert event.kind == content.kind
    assert content_of(event) == content


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_a_missing_value_is_damage(content: TrialContent | SweepContent) -> None:
    values = json.loads(json.dumps(content.to_values()))
    for name in values:
        less = {key: value for key, value in values.items() if key != name}
        if (content.kind, name) in LATER:
            assert getattr(type(content).from_values(less), name) == LATER[content.kind, name]
            continue
        with pytest.raises(StorageError, match=f"'{content.kind}' event is damaged"):
            type(content).from_values(less)
        assert content_of(Event(time=1.0, kind=content.kind, values=less)) is None


@pytest.mark.parametrize("name", ["number", "seed", "attempt", "repetition"])
def test_whole_numbers_of_a_specification_are_read_as_such(name: str) -> None:
    values = json.loads(json.dumps(CONTENTS[0].to_values()))
    values["specification"][name] = "3"
    found = Started.from_values(values)
    assert getattr(found.specification, name) == 3
    values["specification"][name] = "x"
    with pytest.raises(StorageError, match="'started' event is damaged"):
        Started.from_values(values)


@pytest.mark.parametrize("name", ["number", "seed", "attempt", "repetition"])
def test_a_text_for_a_whole_number_is_damage_in_a_record_too(name: str) -> None:
    (ended,) = (content for content in CONTENTS if isinstance(content, Ended))
    values = json.loads(json.dumps(ended.to_values()))
    values["record"]["specification"][name] = "x"
    with pytest.raises(StorageError, match="'ended' event is damaged"):
        Ended.from_values(values)


def test_an_unknown_kind_says_nothing() -> None:
    assert content_of(Event(time=1.0, kind="tomorrow", values={})) is None


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(data=st.data())
def test_damaged_values_are_noticed_or_harmless_but_never_an_error(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from([c for c in CONTENTS if c.to_values()]))
    values = json.loads(json.dumps(content.to_values()))
    target = values
    # Walk to a random place, and put something else there.
    while True:
        name = data.draw(st.sampled_from(sorted(target)))
        below = target[name]
        if not isinstance(below, dict) or not below or data.draw(st.booleans()):
            break
        target = below
    target[name] = data.draw(json_values)
    found = content_of(Event(time=1.0, kind=content.kind, values=values))
    assert found is None or type(found) is type(content)
