"""Whether a challenger is to replace the champion: the gate, from values to a verdict.

The test images have no say here. A gate that looks at them would, sweep by sweep, choose the
network that they happen to favour, and what it reports of them would mean nothing any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.statistics import CONFIDENCE, PairedTest, mcnemar
from pipeline.core.trial import ANALYTIC_COSTS
from pipeline.core.wording import number, p_text

#: A champion may be followed by one that is so much less accurate and cheaper, if chance alone
#: explains the difference.
EQUAL_WITHIN = 0.005
#: Shares are kept with six digits.
_ROUNDING = 1e-6
#: Two measurements of one network differ by less than this share; costs that follow from the
#: architecture alone are exact.
NOISE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Rival:
    """A network that is, or would be, the champion.

    Parameters
    ----------
    data_fingerprint
        Of the images, labels and splits that it was trained and validated with.
    right
        Whether it classifies each validation image rightly, shape ``(images,)``; None where it
        was not asked, because its images are others.
    costs
        Value by cost name, as far as known.
    device
        What the costs were measured on.
    protocol
        The settings that they were measured with.
    best_before
        Of a champion: the best accuracy on these images of those that it follows; None where
        that is not known.
    """

    data_fingerprint: str
    right: NDArray[np.bool_] | None
    costs: Mapping[str, float]
    device: str
    protocol: Mapping[str, Any]
    best_before: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the gate says.

    Parameters
    ----------
    better
        Whether the challenger may replace the champion.
    reason
        Why, as the end of a sentence that begins with the challenger.
    test
        The challenger (first) and the champion on the same validation images; None where there
        is no champion, or none that saw these images.
    """

    better: bool
    reason: str
    test: PairedTest | None = None


def judge(challenger: Rival, champion: Rival | None, costs: Sequence[str]) -> Verdict:
    """Compare a challenger with the champion.

    It is better if it is more accurate (significantly, on the same validation images), or if it
    is as accurate and cheaper. As accurate means: not significantly less, and by at most
    ``EQUAL_WITHIN``, which holds against the best of the champions so far, too: half a point
    from each to the next would soon be many. Cheaper means: on the leading cost, and dearer on
    none of the others, all measured under one protocol on one device.

    Parameters
    ----------
    champion
        None where there is none yet.
    costs
        Names of the costs that count, the leading one first.
    """
    if champion is None:
        return Verdict(better=True, reason="it is the first champion of its data")
    if (
        challenger.data_fingerprint != champion.data_fingerprint
        or challenger.right is None
        or champion.right is None
    ):
        return Verdict(
            better=False,
            reason="it cannot be compared with the champion: their images or splits differ "
            f"({challenger.data_fingerprint[:12]} against {champion.data_fingerprint[:12]})",
        )
    test = mcnemar(challenger.right, champion.right)
    accuracies = _accuracies(challenger.right, champion.right, test)
    significant = test.p_value < 1.0 - CONFIDENCE
    if significant and test.difference > 0:
        return Verdict(
            better=True,
            reason=f"it is more accurate than the champion so far: {accuracies}",
            test=test,
        )
    if significant or test.difference < -EQUAL_WITHIN:
        return Verdict(
            better=False, reason=f"it is less accurate than the champion: {accuracies}", test=test
        )
    best, own = _best(champion), float(challenger.right.mean())
    if own < best - EQUAL_WITHIN - _ROUNDING:
        return Verdict(
            better=False,
            reason=f"it is not more accurate than the champion ({accuracies}), and "
            f"{100 * (best - own):.2f} points less accurate than the best of those before, which "
            f"had {100 * best:.2f}%",
            test=test,
        )
    obstacle = _obstacle(challenger, champion, costs)
    if obstacle is not None:
        return Verdict(
            better=False,
            reason=f"it is not more accurate than the champion ({accuracies}), and which is "
            f"cheaper cannot be said: {obstacle}",
            test=test,
        )
    said = ", ".join(
        f"{name} {number(challenger.costs[name])} against {number(champion.costs[name])}"
        for name in costs
    )
    if _is_cheaper(challenger.costs, champion.costs, costs):
        return Verdict(
            better=True,
            reason=f"it is as accurate as the champion so far ({accuracies}) and cheaper: {said}",
            test=test,
        )
    return Verdict(
        better=False,
        reason=f"it is not more accurate than the champion ({accuracies}) and not cheaper: {said}",
        test=test,
    )


def accuracy_to_keep(challenger: Rival, champion: Rival | None, verdict: Verdict) -> float:
    """Return the ``best_before`` that a new champion, whose answers are known, leaves behind.

    Who overrules the gate says what is accurate enough from now on.
    """
    assert challenger.right is not None
    own = float(challenger.right.mean())
    return own if champion is None or not verdict.better else max(own, _best(champion))


def _best(champion: Rival) -> float:
    assert champion.right is not None
    return max(float(champion.right.mean()), champion.best_before or 0.0)


def _accuracies(ours: NDArray[np.bool_], theirs: NDArray[np.bool_], test: PairedTest) -> str:
    return (
        f"{100 * ours.mean():.2f}% against {100 * theirs.mean():.2f}% of the same "
        f"{test.images:,} validation images, {p_text(test.p_value)}"
    )


def _obstacle(challenger: Rival, champion: Rival, costs: Sequence[str]) -> str | None:
    """Return why the costs cannot be compared; None where they can."""
    for who, rival in (("its", challenger), ("the champion's", champion)):
        unknown = [name for name in costs if name not in rival.costs]
        if unknown:
            return f"{who} {unknown[0]} is not known"
    if set(costs) <= set(ANALYTIC_COSTS):
        return None
    if challenger.device != champion.device:
        return f"measured on {challenger.device}, the champion on {champion.device}"
    keys = sorted({*challenger.protocol, *champion.protocol})
    for key in keys:
        ours, theirs = challenger.protocol.get(key), champion.protocol.get(key)
        if ours != theirs:
            return f"measured with {key}={ours}, the champion with {key}={theirs}"
    return None


def _is_cheaper(
    ours: Mapping[str, float], theirs: Mapping[str, float], costs: Sequence[str]
) -> bool:
    margins = {name: 0.0 if name in ANALYTIC_COSTS else NOISE for name in costs}
    leading, *others = costs
    return ours[leading] < theirs[leading] * (1.0 - margins[leading]) and all(
        ours[name] <= theirs[name] * (1.0 + margins[name]) for name in others
    )
