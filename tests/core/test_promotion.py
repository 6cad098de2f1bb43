"""The gate, on numbers of images that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.promotion import EQUAL_WITHIN, Rival, accuracy_to_keep, judge

IMAGES = 1000
COSTS = {"epoch_seconds": 2.0, "latency_ms": 1.0, "parameters": 5000.0}


def rival(**changes):
    """Return a network that gets the first 900 of 1,000 images right."""
    values = {
        "data_fingerprint": "ab" * 32,
        "right": np.arange(IMAGES) < 900,
        "costs": COSTS,
        "device": "Xeon with 2 cores",
        "protocol": {"precision": "float32", "turns": 10},
    }
    return Rival(**values | changes)


def right(*, gained: int, lost: int):
    """Return answers that differ from those of ``rival``: so many more right, so many fewer."""
    answers = np.arange(IMAGES) < 900
    answers[900 : 900 + gained] = True
    answers[:lost] = False
    return answers


CHAMPION = rival()


def test_the_first_one_needs_no_comparison():
    verdict = judge(rival(), None, ["epoch_seconds"])
    assert verdict.better
    assert verdict.test is None


def test_six_images_more_and_none_less_is_no_chance():
    # Two-sided: 2 / 2^6 = 0.03125, below 0.05; with five it is 2 / 2^5 = 0.0625.
    verdict = judge(rival(right=right(gained=6, lost=0)), CHAMPION, ["epoch_seconds"])
    assert verdict.better
    assert verdict.test.p_value == 0.03125
    assert verdict.reason == (
        "it is more accurate than the champion so far: 90.60% against 90.00% of the same 1,000 "
        "validation images, p = 0.031"
    )


def test_five_images_more_may_be_chance():
    verdict = judge(rival(right=right(gained=5, lost=0)), CHAMPION, ["epoch_seconds"])
    assert not verdict.better
    assert "it is not more accurate than the champion" in verdict.reason
    assert verdict.reason.endswith("and not cheaper: epoch_seconds 2 against 2")


def test_more_accurate_may_cost_more_on_any_device():
    better = rival(
        right=right(gained=20, lost=0), costs={"epoch_seconds": 9.0}, device="Epyc", protocol={}
    )
    assert judge(better, CHAMPION, ["epoch_seconds"]).better


@pytest.mark.parametrize(
    ("gained", "lost"),
    [(0, 6), (40, 46)],  # 6 against 0 is no chance; 46 against 40 is, but 0.6 points are too many
)
def test_less_accurate_is_refused_however_cheap(gained, lost):
    worse = rival(right=right(gained=gained, lost=lost), costs={"epoch_seconds": 0.1})
    verdict = judge(worse, CHAMPION, ["epoch_seconds"])
    assert not verdict.better
    assert verdict.reason.startswith("it is less accurate than the champion: 89.40% against 90.00%")


@pytest.mark.parametrize(
    ("costs", "ours", "better"),
    [
        (["epoch_seconds"], {"epoch_seconds": 1.89}, True),  # 5.5% less
        (["epoch_seconds"], {"epoch_seconds": 1.91}, False),  # 4.5% less: within the noise
        (["parameters"], {"parameters": 4999.0}, True),  # counted, not measured
        (["parameters"], {"parameters": 5000.0}, False),
        (["epoch_seconds", "latency_ms"], {"epoch_seconds": 1.0, "latency_ms": 1.04}, True),
        (["epoch_seconds", "latency_ms"], {"epoch_seconds": 1.0, "latency_ms": 1.06}, False),
        (["epoch_seconds", "latency_ms"], {"epoch_seconds": 2.0, "latency_ms": 0.1}, False),
    ],
)
@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (3, 8), (5, 0)])
def test_as_accurate_has_to_be_cheaper(costs, ours, better, gained, lost):
    challenger = rival(right=right(gained=gained, lost=lost), costs=COSTS | ours)
    assert judge(challenger, CHAMPION, costs).better is better


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "Epyc"}, "measured on Epyc, the champion on Xeon with 2 cores"),
        (
            {"protocol": {"precision": "mixed_bfloat16", "turns": 10}},
            "measured with precision=mixed_bfloat16, the champion with precision=float32",
        ),
        ({"costs": {}}, "its epoch_seconds is not known"),
    ],
)
def test_costs_of_another_device_or_protocol_say_nothing(changes, said):
    verdict = judge(rival(**{"costs": {"epoch_seconds": 0.1}} | changes), CHAMPION,
                    ["epoch_seconds"])  # fmt: skip
    assert not verdict.better
    assert verdict.reason.endswith(f"which is cheaper cannot be said: {said}")


def test_what_is_counted_needs_no_device():
    challenger = rival(device="Epyc", protocol={}, costs={"parameters": 10.0})
    assert judge(challenger, CHAMPION, ["parameters"]).better


def test_a_cost_that_the_champion_lacks():
    verdict = judge(rival(), replace(CHAMPION, costs={}), ["epoch_seconds"])
    assert verdict.reason.endswith("the champion's epoch_seconds is not known")


@pytest.mark.parametrize("changes", [{"data_fingerprint": "cd" * 32}, {"right": None}])
def test_other_images_cannot_be_compared(changes):
    verdict = judge(rival(right=right(gained=50, lost=0)), rival(**changes), ["parameters"])
    assert not verdict.better
    assert verdict.test is None
    assert "it cannot be compared with the champion" in verdict.reason


def wrong(first, last):
    """Return answers of which those to the images from ``first`` to ``last`` are wrong."""
    answers = np.ones(IMAGES, dtype=np.bool_)
    answers[first:last] = False
    return answers


def test_accuracy_is_not_lost_step_by_step():
    """Each night's network is 0.4 points less accurate than the champion, and cheaper."""
    champion = rival(right=wrong(0, 100))
    promoted: list[float] = []
    for night in range(1, 6):
        # Other images are wrong each time, so that chance alone explains the difference.
        begin = 100 * night
        challenger = rival(
            right=wrong(begin, begin + 100 + 4 * (len(promoted) + 1)),
            costs={"epoch_seconds": 2.0 * 0.8**night},
        )
        verdict = judge(challenger, champion, ["epoch_seconds"])
        if verdict.better:
            kept = accuracy_to_keep(challenger, champion, verdict)
            champion = replace(challenger, best_before=kept)
            promoted.append(float(challenger.right.mean()))
    assert promoted == [0.896]
    assert min(promoted) >= 0.9 - EQUAL_WITHIN
    assert verdict.reason.endswith(
        "0.80 points less accurate than the best of those before, which had 90.00%"
    )


def test_who_is_more_accurate_than_the_champion_needs_not_be_the_best_so_far():
    champion = rival(best_before=0.95)
    better = rival(right=right(gained=20, lost=0))
    verdict = judge(better, champion, ["epoch_seconds"])
    assert verdict.better
    assert accuracy_to_keep(better, champion, verdict) == 0.95


def test_as_accurate_as_the_best_within_the_tolerance_is_enough():
    cheap = rival(costs={"epoch_seconds": 1.0})
    assert judge(cheap, rival(best_before=0.905), ["epoch_seconds"]).better
    assert not judge(cheap, rival(best_before=0.9051), ["epoch_seconds"]).better


def test_who_overrules_the_gate_says_what_is_accurate_enough():
    champion, forced = rival(best_before=0.95), rival(right=right(gained=0, lost=50))
    verdict = judge(forced, champion, ["epoch_seconds"])
    assert not verdict.better
    assert accuracy_to_keep(forced, champion, verdict) == pytest.approx(0.85)
    assert accuracy_to_keep(forced, None, judge(forced, None, [])) == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("gained", "lost", "better", "said"),
    [(42, 25, True, "p = 0.0498"), (22, 10, False, "p = 0.0501)")],
)
def test_a_p_value_beside_the_border_shows_its_side(gained, lost, better, said):
    verdict = judge(rival(right=right(gained=gained, lost=lost)), CHAMPION, ["epoch_seconds"])
    assert verdict.better == better
    assert said in verdict.reason
