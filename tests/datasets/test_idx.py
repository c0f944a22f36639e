import gzip
import struct

import numpy as np
import pytest

from causalrep.datasets._idx import read_idx
from causalrep.utils import DataError


def header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "some-idx-file"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_numbers_come_back_in_order_and_type(write, code, dtype, compress):
    array = np.arange(-12 if "u" not in dtype else 0, 12 if "u" not in dtype else 24).astype(dtype)
    path = write(compress(header(code, 2, 3, 4) + array.tobytes()))
    read = read_idx(path)
    assert read.shape == (2, 3, 4)
    assert read.dtype.isnative
    assert np.array_equal(read, array.reshape(2, 3, 4))


def test_empty_array_is_read(write):
    assert read_idx(write(header(0x08, 0, 28, 28))).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file.*empty file"),
        (b"\x89PNG\r\n", "not an IDX file.*89 50 4e 47"),
        (b"\0\0\x07\x01" + bytes(5), "not an IDX file.*00 00 07 01"),
        (b"\0\0\x08\x03\0\0\0\x02", "ends within its header: 3 dimensions take 16 bytes, got 8"),
        (
            header(0x08, 2, 3) + bytes(5),
            r"should hold 6 bytes after its header, for the shape \(2, 3\), got 5",
        ),
        (header(0x08, 2, 3) + bytes(7), "should hold 6 bytes.*got 7"),
        (header(0x0C, 2) + bytes(4), "should hold 8 bytes.*got 4"),
        (gzip.compress(header(0x08, 9) + bytes(9))[:-6], "damaged or truncated gzip"),
        (b"\x1f\x8b\x08\0" + bytes(30), "damaged or truncated gzip"),
    ],
)
def test_damage_is_named_together_with_the_file(write, content, message):
    with pytest.raises(DataError, match="some-idx-file.*" + message):
        read_idx(write(content))


def test_flipped_bit_in_a_gzip_file_is_found(write):
    content = bytearray(gzip.compress(header(0x08, 1000) + bytes(range(250)) * 4))
    content[-8] ^= 1  # the first byte of the checksum
    with pytest.raises(DataError, match="damaged or truncated gzip"):
        read_idx(write(bytes(content)))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere cannot be read"):
        read_idx(tmp_path / "nowhere")
