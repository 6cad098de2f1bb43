import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measuring.clocks import CLOCK_NAMES, Clocks


class Time:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds

    def pass_(self, seconds):
        self.seconds += seconds


@pytest.fixture
def time():
    return Time()


def test_every_clock_is_known_from_the_start(time):
    assert Clocks(time).seconds() == dict.fromkeys(CLOCK_NAMES, 0.0)


def test_a_clock_runs_inside_its_block_only(time):
    clocks = Clocks(time)
    time.pass_(1.0)
    with clocks.on("training"):
        time.pass_(2.0)
    time.pass_(4.0)
    assert clocks.seconds() == dict.fromkeys(CLOCK_NAMES, 0.0) | {"training": 2.0}


def test_an_inner_clock_pauses_the_outer_one(time):
    clocks = Clocks(time)
    with clocks.on("training"):
        time.pass_(1.0)
        with clocks.on("waiting"):
            time.pass_(10.0)
        time.pass_(2.0)
    assert clocks.seconds()["training"] == 3.0
    assert clocks.seconds()["waiting"] == 10.0


def test_a_running_clock_can_be_read(time):
    clocks = Clocks(time)
    with clocks.on("training"):
        time.pass_(1.5)
        assert clocks.seconds()["training"] == 1.5
        time.pass_(0.5)
    assert clocks.seconds()["training"] == 2.0


def test_an_exception_stops_the_clock(time):
    clocks = Clocks(time)
    with pytest.raises(KeyError), clocks.on("training"):
        time.pass_(1.0)
        raise KeyError
    time.pass_(5.0)
    assert clocks.seconds()["training"] == 1.0


def test_an_unknown_clock_is_refused(time):
    with pytest.raises(ValueError, match="tee_break"), Clocks(time).on("tee_break"):  # type: ignore[arg-type]
        pass


programs = st.recursive(
    st.integers(1, 8).map(lambda seconds: ("pass", seconds)),
    lambda inner: st.tuples(st.sampled_from(CLOCK_NAMES), st.lists(inner, max_size=4)),
    max_leaves=20,
)


@given(programs)
def test_clocks_add_up_to_the_time_that_passed(program):
    time = Time()
    clocks = Clocks(time)

    def run(part):
        name, content = part
        if name == "pass":
            time.pass_(content)
            return
        with clocks.on(name):
            for inner in content:
                run(inner)

    with clocks.on("tracking"):
        run(program)
    assert sum(clocks.seconds().values()) == time.seconds - 100.0
