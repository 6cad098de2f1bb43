from pipeline.measuring.memory import MIB, device_peak_memory_mib, host_peak_memory_mib


def test_the_peak_of_the_host_never_falls_and_holds_what_was_used():
    before = host_peak_memory_mib()
    block = b"\1" * (64 * MIB)
    after = host_peak_memory_mib()
    assert len(block) == 64 * MIB
    assert after >= max(before, 64.0)


def test_the_device_is_asked_for_bytes():
    assert device_peak_memory_mib(lambda: 3 * MIB) == 3.0


def test_a_device_without_a_counter_has_no_peak():
    assert device_peak_memory_mib(None) is None
