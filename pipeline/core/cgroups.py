"""What Linux leaves this process of the machine: processors and memory, within its cgroups."""

from pathlib import Path

MEMBERSHIP = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def own_cgroup(membership: Path = MEMBERSHIP, root: Path = ROOT) -> tuple[Path, ...]:
    """Return the folders of this process' cgroups and of those around them, of both versions.

    A host may mount both, and has its limits in those of version 1 then.

    Parameters
    ----------
    membership
        Which they are, as the system says it.
    root
        Where the cgroup file system is mounted.
    """
    # Version 1's as a container sees them, which is told its path outside.
    folders = [root, root / "cpu", root / "memory"]
    for line in text_of(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        # Version 2 names no controller and has a single hierarchy.
        for controller in controllers.split(","):
            own = root / controller / path.strip("/")
            folders += [folder for folder in (own, *own.parents) if folder.is_relative_to(root)]
    return tuple(dict.fromkeys(folders))


def usable_cores(affinity: int, cgroup: tuple[Path, ...]) -> int:
    """Return the cores that affinity and the tightest cgroup quota leave, at least 1."""
    shares = [_quota(folder) for folder in cgroup]
    quota = min((share for share in shares if share is not None), default=float(affinity))
    return max(1, min(affinity, int(quota)))


def available_memory(cgroup: tuple[Path, ...], meminfo: Path = MEMINFO) -> int | None:
    """Return available bytes: the system's, or what the tightest cgroup leaves if that is less."""
    found = [_memory_left(folder) for folder in cgroup]
    for line in text_of(meminfo).splitlines():
        key, _, value = line.partition(":")
        if key == "MemAvailable":
            found.append(int(value.split()[0]) * 1024)
    return min((limit for limit in found if limit is not None), default=None)


def _quota(folder: Path) -> float | None:
    """Return the cores' worth of time of one cgroup; v2's cpu.max or v1's two files."""
    limit = text_of(folder / "cpu.max").split()
    if not limit:
        limit = [text_of(folder / f"cpu.cfs_{what}_us").strip() for what in ("quota", "period")]
    if len(limit) != 2 or limit[0] in ("max", "-1", "") or not limit[1]:
        return None
    return int(limit[0]) / int(limit[1])


def _memory_left(folder: Path) -> int | None:
    """Return what a cgroup may still take: its limit less what it has, files that can go apart."""
    limit = _number(text_of(folder / "memory.max") or text_of(folder / "memory.limit_in_bytes"))
    if limit is None:
        return None
    used = _number(text_of(folder / "memory.current") or text_of(folder / "memory.usage_in_bytes"))
    # Version 1 counts those below under the name with "total_", version 2 always does.
    counts = dict(line.split() for line in text_of(folder / "memory.stat").splitlines())
    files = sum(
        _number(counts.get(f"total_{kind}", counts.get(kind, ""))) or 0
        for kind in ("active_file", "inactive_file")
    )
    return max(0, limit - max(0, (used or 0) - files))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def text_of(path: Path) -> str:
    """Return what a file of the system says; nothing where it is not there."""
    try:
        return path.read_text()
    except OSError:
        return ""  # the file belongs to another system or cgroup version
