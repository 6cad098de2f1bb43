"""Times at one pace: what a network takes is told in terms of the ``cnn`` reference.

A machine runs at one pace now and at another a minute later: a laptop is hot, a virtual machine has
neighbours. Two networks measured a minute apart then change places though one is half as dear as
the other. Their ratios to a reference that is timed in turn with each of them do not. So a cost in
seconds is that ratio times what the reference took when it was first measured on this device, the
device's *pace*. A sweep has one pace, that of the device it began on. What the clock showed is kept
beside it.
"""

from collections.abc import Mapping

#: Milliseconds of the reference by name, such as ``latency_reference_ms``; that of one image, or
#: ``latency_64_reference_ms`` of batches.
Pace = Mapping[str, float]
_REFERENCE = "_reference_ms"
#: Costs that are times of training.
TRAINING_TIMES = ("train_seconds", "time_to_accuracy_seconds")
#: How they are told. Until 30 November 2026 it was by the clock, which others slowed, and the two
#: do not compare.
TOLD_IN_EPOCHS = {"times of training": "epochs at the pace"}
#: Costs that a training step's time is part of.
STEP_TIMES = ("epoch_seconds", *TRAINING_TIMES)
#: How that is measured. Until 1 December 2026 it was right behind the reference's steps, which made
#: those of small networks look longer, and steps with batch normalisation took up to 2.7 times as
#: long on a processor; the two do not compare.
TIMED_WARM = {"training steps": "timed warm"}
#: Parts of a sweep's identity that no setting brings back: an earlier version began it.
HOW_TOLD = (*TOLD_IN_EPOCHS, *TIMED_WARM)


def measured_pace(measurements: Mapping[str, float]) -> dict[str, float]:
    """Return what the reference took in these measurements."""
    return {
        _of_batch(name, measurements): value
        for name, value in measurements.items()
        if name.endswith(_REFERENCE)
    }


def _of_batch(name: str, measurements: Mapping[str, float]) -> str:
    """Return a reference's name with the batch size in it, where that is not one image.

    The latency of the first batch size that is measured goes by ``latency``, whatever size it is.
    """
    size = int(measurements.get("latency_batch_size", 1))
    return f"latency_{size}{_REFERENCE}" if name == f"latency{_REFERENCE}" and size > 1 else name


def at_pace(
    costs: Mapping[str, float], measurements: Mapping[str, float], pace: Pace
) -> tuple[dict[str, float], dict[str, float]]:
    """Return costs and measurements as they are at a pace.

    Of each time that was measured beside the reference (``step``, ``latency``, ``latency_256``,
    …) the median and its interval become the ratio, and its interval, times the reference's
    time at that pace; percentiles and throughput move by the same factor, as does the time of
    an epoch with that of a step. The median that the clock showed is kept as
    ``…_measured_ms``. What the pace does not tell of stays as it was measured.

    Parameters
    ----------
    costs, measurements
        As a trainer measured them, milliseconds and seconds by name.
    """
    costs, found = dict(costs), dict(measurements)
    for name in [name for name in measurements if name.endswith(_REFERENCE)]:
        known = pace.get(_of_batch(name, measurements))
        if known is None:
            continue
        timed = name.removesuffix(_REFERENCE)
        median = f"{timed}_ms"
        cost = median in costs
        measured = costs[median] if cost else measurements[median]
        paced = measurements[f"{timed}_ratio"] * known
        (costs if cost else found)[median] = paced
        found[f"{timed}_measured_ms"] = measured
        for end in ("low", "high"):
            found[f"{timed}_{end}_ms"] = measurements[f"{timed}_ratio_{end}"] * known
        for percentile in ("p90", "p99"):
            if f"{timed}_{percentile}_ms" in found:
                found[f"{timed}_{percentile}_ms"] *= paced / measured
        if f"{timed}_images_per_second" in found:
            found[f"{timed}_images_per_second"] *= measured / paced
        if timed == "step":
            _pace_epoch(costs, found, measurements["step_ratio"], paced / measured)
    return costs, found


def _pace_epoch(
    costs: dict[str, float], found: dict[str, float], ratio: float, factor: float
) -> None:
    """Let the time of an epoch follow that of a step."""
    found["epoch_measured_seconds"] = costs["epoch_seconds"]
    costs["epoch_seconds"] *= factor
    for end in ("low", "high"):
        share = found[f"step_ratio_{end}"] / ratio
        found[f"epoch_{end}_seconds"] = costs["epoch_seconds"] * share


def training_at_pace(
    costs: Mapping[str, float], measurements: Mapping[str, float], epochs: Mapping[str, int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return costs and measurements with the times of training as epochs of their usual time.

    Each time that is known becomes its epochs times ``epoch_seconds``, with the interval of that;
    what the clock showed is kept as ``train_measured_seconds`` and the like. Where the time of
    an epoch is not known, nothing changes.

    Parameters
    ----------
    costs, measurements
        At the pace, see ``at_pace``.
    epochs
        How many by name of the time, see ``TRAINING_TIMES``; at least 1.
    """
    costs, found = dict(costs), dict(measurements)
    epoch = costs.get("epoch_seconds")
    for name, count in epochs.items():
        if epoch is None or name not in costs:
            continue
        stem = name.removesuffix("_seconds")
        found[f"{stem}_measured_seconds"] = costs[name]
        costs[name] = count * epoch
        for end in ("low", "high"):
            if f"epoch_{end}_seconds" in found:
                found[f"{stem}_{end}_seconds"] = count * found[f"epoch_{end}_seconds"]
    return costs, found
