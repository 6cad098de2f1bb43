import pytest

from pipeline.core.cgroups import available_memory, own_cgroup, usable_cores


def cgroup(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "membership").write_text("0::/job/step\n")
    return own_cgroup(tmp_path / "membership", tmp_path / "cgroup")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"job/step/cpu.max": "max 100000\n"}, 8),
        ({"job/step/cpu.max": "250000 100000\n"}, 2),
        ({"job/step/cpu.max": "max 100000\n", "job/cpu.max": "300000 100000\n"}, 3),
        ({"job/step/cpu.max": "50000 100000\n"}, 1),
        ({"other/cpu.max": "100000 100000\n"}, 8),
    ],
)
def test_the_tightest_quota_on_the_way_up_counts(tmp_path, files, cores):
    assert usable_cores(8, cgroup(tmp_path, files)) == cores


def test_affinity_counts_where_it_is_tighter_than_the_quota(tmp_path):
    assert usable_cores(2, cgroup(tmp_path, {"job/cpu.max": "800000 100000"})) == 2


def test_the_first_version_of_cgroups(tmp_path):
    (tmp_path / "membership").write_text("4:cpu,cpuacct:/job\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("123\n")
    folders = own_cgroup(tmp_path / "membership", tmp_path)
    assert usable_cores(8, folders) == 2
    assert available_memory(folders, tmp_path / "meminfo") == 123


def test_both_versions_of_cgroups_side_by_side(tmp_path):
    (tmp_path / "membership").write_text("5:memory:/job/step\n4:cpu,cpuacct:/\n0::/job\n")
    files = {
        "cpu/cpu.cfs_quota_us": "300000\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/job/memory.limit_in_bytes": "456\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folders = own_cgroup(tmp_path / "membership", tmp_path)
    assert usable_cores(8, folders) == 3
    assert available_memory(folders, tmp_path / "meminfo") == 456


def test_memory_is_the_tightest_limit(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:     800 kB\n")
    assert available_memory((), meminfo) == 800 * 1024
    assert available_memory(cgroup(tmp_path, {"job/memory.max": "4096\n"}), meminfo) == 4096
    assert available_memory(cgroup(tmp_path, {"job/memory.max": "max\n"}), meminfo) == 800 * 1024


def test_another_system_does_not_say_how_much_memory_there_is(tmp_path):
    assert available_memory((), tmp_path / "meminfo") is None


def test_what_a_cgroup_has_already_is_not_free(tmp_path):
    files = {
        "job/memory.max": "4096\n",
        "job/memory.current": "3000\n",
        "job/memory.stat": "anon 1500\ninactive_file 1000\nactive_file 500\n",
    }
    assert available_memory(cgroup(tmp_path, files), tmp_path / "meminfo") == 4096 - (3000 - 1500)
    over = files | {"job/memory.current": "9000\n"}
    assert available_memory(cgroup(tmp_path, over), tmp_path / "meminfo") == 0


def test_the_first_version_counts_the_files_of_those_below(tmp_path):
    (tmp_path / "membership").write_text("4:memory:/job\n")
    (tmp_path / "memory" / "job").mkdir(parents=True)
    for name, text in {
        "memory.limit_in_bytes": "4096\n",
        "memory.usage_in_bytes": "3000\n",
        "memory.stat": "inactive_file 1\ntotal_inactive_file 600\ntotal_active_file 400\n",
    }.items():
        (tmp_path / "memory" / "job" / name).write_text(text)
    folders = own_cgroup(tmp_path / "membership", tmp_path)
    assert available_memory(folders, tmp_path / "meminfo") == 4096 - (3000 - 1000)
