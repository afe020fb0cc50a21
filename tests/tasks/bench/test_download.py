"""A download from a server on this machine."""

from pathlib import Path

from quick_bench import do_all


def test_every_way_fetches_the_whole_file(tmp_path: Path) -> None:
    (ways,) = do_all("download", tmp_path).values()
    wanted = (tmp_path / "file.bin").read_bytes()
    assert len(wanted) == 10**6
    for path in ways.values():
        assert path.read_bytes() == wanted
