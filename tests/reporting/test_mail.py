from pipeline.core.trial import Outcome
from pipeline.reporting.mail import summary_line


def test_the_line_of_a_sweep_that_is_done(records, make_summary):
    line = summary_line("nightly", 0, make_summary(records, wall_seconds=3900.0))
    assert line.startswith("nightly: done; ")
    assert "trials complete; sweet spot trial " in line
    assert line.endswith("; 1 h 5 min")
    assert "\n" not in line


def test_what_went_wrong_is_counted(make_record, make_summary):
    broken = make_record(0, "d128", None, None, outcome=Outcome.OUT_OF_MEMORY, reference="dnn")
    line = summary_line("nightly", 1, make_summary([broken]))
    assert line.startswith("nightly: FAILED; 0 of 1 trial complete, 1 out of memory; no sweet spot")
    assert summary_line("nightly", 143, None) == "nightly: stopped before its end, no trial ended"
