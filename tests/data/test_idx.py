import gzip
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.errors import DataError
from pipeline.data.idx import IdxSource, parse_idx

arrays = hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, max_side=6))
shared_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared_fixture
@given(values=arrays, compressed=st.booleans())
def test_parsing_returns_what_was_written(idx_bytes, values, compressed):
    raw = idx_bytes(values)
    parsed = parse_idx(gzip.compress(raw) if compressed else raw, "file")
    assert parsed.dtype == np.uint8
    np.testing.assert_array_equal(parsed, values)


@shared_fixture
@given(
    values=arrays,
    compressed=st.booleans(),
    edits=st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=3)), max_size=4),
    cut=st.none() | st.integers(0, 80),
)
def test_damaged_bytes_raise_nothing_but_data_errors(idx_bytes, values, compressed, edits, cut):
    raw = bytearray(idx_bytes(values))
    if compressed:
        raw = bytearray(gzip.compress(bytes(raw), mtime=0))
    for start, replacement in edits:
        raw[start : start + 2] = replacement
    try:
        parse_idx(bytes(raw[:cut]), "file")
    except DataError as error:
        assert "file" in str(error)


@given(st.binary(max_size=40), st.sampled_from([b"", b"\0\0\x08", b"\x1f\x8b\x08"]))
def test_any_bytes_raise_nothing_but_data_errors(tail, start):
    try:
        parse_idx(start + tail, "file")
    except DataError as error:
        assert "file" in str(error)


def test_several_gzip_members_and_padding_are_one_file(idx_bytes):
    raw = idx_bytes(np.arange(20, dtype=np.uint8))
    packed = gzip.compress(raw[:9]) + gzip.compress(raw[9:]) + bytes(7)
    np.testing.assert_array_equal(parse_idx(packed, "file"), np.arange(20))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "file is not an IDX file: it has 0 bytes"),
        (b"\x89PNG\r\n\x1a\n", "starts with 89 50 4e 47 instead of 00 00"),
        (b"\0\0\x0d\x01\0\0\0\0", "unsigned bytes .IDX type 8., not values of IDX type 13"),
        (b"\0\0\x08\0", "damaged IDX header: 0 dimensions"),
        (b"\0\0\x08\x03\0\0\0\x01", "damaged IDX header: 3 dimensions, 8 bytes"),
        (b"\0\0\x08\x01\0\0\0\x05\1\2\3", "truncated: its header announces 5 values .5., but 3"),
        (b"\0\0\x08\x01\0\0\0\x02\1\2\3", "too long: its header announces 2 values .2., but 3"),
        (b"\0\0\x08\x01\xff\xff\xff\xff", "truncated: its header announces 4,294,967,295"),
        (b"\0\0\x08\x05" + bytes(20), "not an array of 5 dimensions"),
        (b"\0\0\x08\x02\xff\xff\xff\xff" + bytes(4), "empty: its header announces 4294967295×0"),
        (
            gzip.compress(b"\0\0\x08\x01\0\0\0\1\1", mtime=0)[:-9],
            "compressed content ends too early",
        ),
        (gzip.compress(b"x", mtime=0)[:-8] + bytes(8), "damaged: it cannot be decompressed"),
        (gzip.compress(b"x", mtime=0) + b"more", "damaged: it cannot be decompressed"),
    ],
)
def test_what_is_wrong_is_said(raw, sentence):
    with pytest.raises(DataError, match=sentence):
        parse_idx(raw, "file")


def test_a_few_bytes_that_unpack_to_many_are_not_unpacked():
    packed = gzip.compress(b"\0\0\x08\x01\0\0\0\x05" + bytes(150_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="too long: more follows than its header announces"):
            parse_idx(packed, "file")
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compressed", [False, True])
def test_the_four_files_are_one_source(tmp_path, write_idx, images, compressed):
    write_idx(tmp_path, compressed=compressed)
    source = IdxSource(folder=tmp_path)
    learning, test = source.learning(), source.test()
    assert learning.images.shape == (30, 9, 8, 1)
    assert test.images.shape == (12, 9, 8, 1)
    np.testing.assert_array_equal(learning.images[..., 0], images(30)[0])
    np.testing.assert_array_equal(test.labels, images(12)[1])


def test_colour_images_have_four_dimensions(tmp_path, write_idx, images):
    pixels, _ = images(30, shape=(8, 10, 3))
    write_idx(tmp_path, train_images=pixels)
    np.testing.assert_array_equal(IdxSource(folder=tmp_path).learning().images, pixels)


def test_swapped_files_are_recognised(tmp_path, write_idx, images):
    pixels, labels = images(30)
    write_idx(tmp_path, train_images=labels, train_labels=pixels)
    with pytest.raises(DataError, match=r"train-images.* holds labels .*seem to be swapped"):
        IdxSource(folder=tmp_path).learning()
    write_idx(tmp_path, train_labels=pixels)
    with pytest.raises(DataError, match=r"train-labels.* holds images .*seem to be swapped"):
        IdxSource(folder=tmp_path).learning()


def test_dimensions_of_neither_images_nor_labels_are_refused(tmp_path, write_idx):
    write_idx(tmp_path, train_images=np.zeros((30, 64), np.uint8))
    with pytest.raises(DataError, match="must hold images, 3 dimensions, not 2"):
        IdxSource(folder=tmp_path).learning()


def test_missing_files_are_named(tmp_path, write_idx):
    write_idx(tmp_path, compressed=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    source = IdxSource(folder=tmp_path)
    assert source.missing() == ["t10k-labels-idx1-ubyte"]
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte "):
        source.learning()


def test_counts_that_differ_are_refused(tmp_path, write_idx):
    write_idx(tmp_path, train_labels=np.zeros(29, np.uint8))
    with pytest.raises(DataError, match=r"holds 30 images but .*train-labels.* holds 29 labels"):
        IdxSource(folder=tmp_path).learning()
