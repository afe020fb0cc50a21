import numpy as np

from smoecast.data.samples import InMemory
from smoecast.data.timed_source import TimedSource


def test_it_reads_what_the_source_has_and_says_when():
    fields = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    said = []
    source = TimedSource(InMemory(fields), said.append)
    out = np.empty((3, 2, 2), np.float32)
    source.read(1, slice(None), out)
    np.testing.assert_array_equal(out, fields[1])
    assert said == ["preparing", "reading"]
    assert source.shape == fields.shape
    assert source.packing is None
