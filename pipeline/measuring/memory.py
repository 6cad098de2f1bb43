"""Memory: the host's is reported, the device's is a cost where it has a counter."""

import resource
import sys
from collections.abc import Callable

MIB = 1024 * 1024


def host_peak_memory_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB.

    The peak never falls: in a worker that trains several networks it is that of the largest
    one so far, which is why it is reported and never optimised.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024.0


def device_peak_memory_mib(counter: Callable[[], int] | None) -> float | None:
    """Return the device's peak since its counter was reset, in MiB.

    A trial's is reset after measuring, so it is the peak of training and evaluation. What lies
    on the device all the time, the training images above all, is part of it.

    Parameters
    ----------
    counter
        Returns the peak in bytes; None on a device without such a counter, such as a CPU.
    """
    return None if counter is None else counter() / MIB
