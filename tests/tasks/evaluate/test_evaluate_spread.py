"""Scores summed by several processes: the same to the byte."""

from pathlib import Path

import pytest
from distributed import LocalCluster
from same_data import with_compute
from small_world import with_evaluate

from smoecast.config.run import Config
from smoecast.tasks.evaluate import truth
from smoecast.tasks.evaluate.evaluate import evaluate


def test_scores_are_the_same_to_the_byte(
    done: Config, cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baselines = ("persistence", "climatology", "linear")
    config = with_evaluate(done, baselines=baselines, seasons=True, events=("t2m>280",))
    output = tmp_path / "scores.json"
    monkeypatch.setattr(truth, "BLOCK", 4)
    made = []
    for one in (config, with_compute(config, scheduler=cluster.scheduler_address)):
        evaluate(one, output=output)
        made.append({path.name: path.read_bytes() for path in tmp_path.glob("scores.*")})
    assert len(made[0]) >= 4
    assert made[0] == made[1]
