import os

from pipeline.launching.cluster import SCRIPT, ClusterSweep


def test_jobs_that_end_are_not_explained_with_what_earlier_ones_said(plan):
    folder = plan.config.sweep_dir
    log = folder / "logs" / "slurm-0.log"
    log.parent.mkdir()
    log.write_text("sweetspot: an earlier fault\n")
    os.utime(log, (1e9, 1e9))
    (folder / SCRIPT).touch()
    sweep = ClusterSweep(plan=plan, say=print, show=lambda: None)
    assert sweep._last_words() == f"they have left no log in {log.parent}"
    with log.open("a") as appended:
        appended.write("no space left\n")
    assert sweep._last_words() == f"the end of {log}: no space left"
