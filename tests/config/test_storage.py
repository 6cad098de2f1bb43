import pytest
from pydantic import ValidationError

from pipeline.config import StorageConfig


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "journal", "url_file": "/secret"}, "url_file belongs to storage=postgres"),
        ({"kind": "postgres", "path": "/study"}, "path belongs to storage=journal"),
        (
            {"kind": "postgres", "heartbeat_seconds": 10, "grace_seconds": 29},
            "at least three times heartbeat_seconds, 30, not 29",
        ),
    ],
)
def test_settings_of_the_other_kind_and_a_hasty_grace_are_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        StorageConfig.model_validate(values)
