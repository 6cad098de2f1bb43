from pipeline.core.trial import Outcome
from pipeline.reporting.mail import summary_line


def test_the_line_of_a_sweep_that_is_done(records, summarise):
    line = summary_line("nightly", 0, summarise(records, wall_seconds=3900.0))
    assert line.startswith("nightly: done; ")
    assert "trials complete, 1 out of memory; sweet spot trial 3 32k3-64k3-d128, " in line
    assert line.endswith("; 1 h 5 min")
    assert "\n" not in line


def test_what_went_wrong_is_counted(trial, summarise):
    broken = trial(0, "d128", None, None, outcome=Outcome.OUT_OF_MEMORY, reference="dnn")
    line = summary_line("nightly", 1, summarise([broken]))
    assert line.startswith("nightly: FAILED; 0 of 1 trial complete, 1 out of memory; no sweet spot")
    for left in (75, 143):
        said = summary_line("nightly", left, None)
        assert said == "nightly: stopped before its end, no trial ended"
