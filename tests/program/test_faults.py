"""The faults of docs/reliability.md that no other module has: what happens, and what is said.

`pytest -m "slow or not slow" tests/program/test_faults.py tests/program/test_kills.py ...` as that
page has it runs the whole table.
"""

import random
from collections.abc import Iterator

import pytest
from scenes import ONCE, Scene, World, open_world, play

KILLS = 50


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("scene", ONCE, ids=str)
def test_fifty_kills_at_random(world: World, scene: Scene) -> None:
    """The moments are the same in every run: by file operation, seeded by the name of the scene."""
    moments = random.Random(str(scene))
    count = len(world.end_of(scene).operations)
    for _ in range(KILLS):
        play(world, scene, moments.randint(1, count), moments.choice(["before", "after"]))
