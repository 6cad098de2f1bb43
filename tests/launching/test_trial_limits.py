from dataclasses import replace

from pipeline.core.trial import Outcome
from pipeline.reporting.files import read_summary
from pipeline.testing.simulated import SimulatedTrainer
from pipeline.testing.simulated_run import run_all, run_next, simulated_run


def test_a_limit_on_a_cost_known_before_training_ends_the_trial_before_its_first_epoch(
    plan, replan
):
    limits = plan.config.objective.limits.model_copy(update={"macs": 300_000.0})
    run = simulated_run(replan(plan, objective={"limits": limits}, search={"trials": 12}))
    records = run_all(run)
    dear = [r for r in records if r.costs["macs"] > 300_000 and r.specification.reference is None]
    assert dear
    for record in dear:
        assert record.outcome is Outcome.INFEASIBLE
        assert record.history == ()
        assert record.reason == f"macs {record.costs['macs']:,.0f} is above its limit 300,000"
        assert set(record.costs) == {"macs", "parameters"}
        assert not record.measurements and record.clocks["measuring"] == 0.0
    references = [record for record in records if record.specification.reference]
    assert all(record.outcome is Outcome.COMPLETE for record in references)


def test_a_reference_above_a_limit_is_no_choice(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"macs": 300_000.0})
    run = simulated_run(replan(plan, objective={"limits": limits}, finalists={"limit": 9}))
    records = run_all(run)
    assert records[1].specification.reference == "cnn" and records[1].costs["macs"] > 300_000
    summary = read_summary(plan.config.sweep_dir)
    on_front = {member["trial"] for member in summary["front"]}
    assert on_front and 1 not in on_front
    assert summary["sweet_spot"]["macs"] <= 300_000
    trained_again = {wanted.number for wanted in run.results.final_trainings(run.study)}
    assert trained_again and 1 not in trained_again


def test_a_limit_on_training_time_is_checked_each_epoch(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"train_seconds": 1e-9})
    run = simulated_run(replan(plan, objective={"limits": limits}))
    records = run_all(run)[2:]
    assert [record.outcome for record in records] == [Outcome.INFEASIBLE] * 3
    assert [len(record.history) for record in records] == [1] * 3


def test_a_limit_on_time_to_accuracy_ends_a_trial_before_it_gets_there(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"time_to_accuracy_seconds": 1e-9})
    run = simulated_run(replan(plan, objective={"limits": limits, "target_accuracy": 0.999}))
    records = run_all(run)
    assert [record.outcome for record in records[:2]] == [Outcome.COMPLETE] * 2
    for record in records[2:]:
        assert record.outcome is Outcome.INFEASIBLE
        assert (record.reason or "").startswith("time_to_accuracy_seconds ")
        assert len(record.history) == 1
        assert record.costs["train_seconds"] == record.history[0].epoch_seconds
        assert "time_to_accuracy_seconds" not in record.costs


def test_a_target_with_a_limit_that_is_not_reached_at_all_is_censored(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"time_to_accuracy_seconds": 1e9})
    run = simulated_run(replan(plan, objective={"limits": limits, "target_accuracy": 0.999}))
    assert [record.outcome for record in run_all(run)] == [
        Outcome.COMPLETE, Outcome.COMPLETE, *[Outcome.CENSORED] * 3,
    ]  # fmt: skip


def test_a_limit_on_what_the_trainer_counts_is_checked_each_epoch(plan, replan):
    limits = plan.config.objective.limits.model_copy(update={"device_memory_mib": 200.0})
    changed = replan(plan, objective={"limits": limits})
    run = simulated_run(changed)
    for _ in range(2):
        run_next(run)
    counting = SimulatedTrainer(
        config=changed.config,
        description=changed.description,
        memory_mib=lambda epoch: 90.0 * epoch,
    )
    run = replace(run, trainer=counting)
    record = run_next(run)
    assert record.outcome is Outcome.INFEASIBLE
    assert record.reason == "device_memory_mib 270 is above its limit 200"
    assert len(record.history) == 3 and record.costs["device_memory_mib"] == 270.0


def test_limits_that_nothing_meets_end_the_sweep_early(plan, replan):
    limits = plan.config.objective.limits.model_copy(
        update={"latency_ms": 0.01, "epoch_seconds": 1e-6}
    )
    run = simulated_run(
        replan(plan, objective={"limits": limits}, search={"trials": 40, "max_infeasible": 4})
    )
    records = run_all(run)
    assert [record.outcome for record in records[2:]] == [Outcome.INFEASIBLE] * 4
    said = run.study.unmet_limits()
    assert said is not None and said.startswith(
        "All 4 trials were above objective.limits.epoch_seconds=1e-06 and "
        "objective.limits.latency_ms=0.01; "
    )
    assert read_summary(plan.config.sweep_dir)["trials"]["infeasible"] == 4
