from pipeline.data.durable import replace_durably


def test_content_is_on_the_disk_before_its_name_and_the_name_after_that(tmp_path, disk_calls):
    fresh, path = tmp_path / ".fresh", tmp_path / "kept"
    fresh.write_text("new")
    path.write_text("old")
    replace_durably(fresh, path)
    assert path.read_text() == "new" and not fresh.exists()
    assert disk_calls == [
        ("fsync", path.stat().st_ino), ("replace", path), ("fsync", tmp_path.stat().st_ino),
    ]  # fmt: skip
