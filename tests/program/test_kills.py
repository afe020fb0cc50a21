"""A kill at every file operation of every verb: nothing broken, nothing left after one re-run.

See `scenes` for what must be true at the moment of the kill, and after the same command again.
"""

from collections.abc import Iterator

import pytest
from scenes import (
    FEW,
    ONCE,
    QUICK,
    SCENES,
    Scene,
    World,
    fill_up,
    open_world,
    play,
    stop,
    where_to_strike,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize("scene", QUICK, ids=str)
def test_killed_half_way(world: World, scene: Scene) -> None:
    play(world, scene, 1 + len(world.end_of(scene).operations) // 2, "after")


@pytest.mark.slow
@pytest.mark.parametrize("scene", ONCE, ids=str)
def test_killed_near_the_end(world: World, scene: Scene) -> None:
    play(world, scene, len(world.end_of(scene).operations) - 1, "before")


@pytest.mark.parametrize("scene", FEW, ids=str)
def test_stopped_here_and_there(world: World, scene: Scene) -> None:
    count = len(world.end_of(scene).operations)
    stop(world, scene, 1 + count // 2, "stop after")


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=str)
@pytest.mark.parametrize("how", ["stop before", "stop after"])
def test_stopped_at_every_operation(world: World, scene: Scene, how: str) -> None:
    for at in where_to_strike(world.end_of(scene).operations)[:-1]:  # the last comes after all
        stop(world, scene, at, how)


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=str)
@pytest.mark.parametrize("mishap", ["before", "after"])
def test_killed_at_every_operation(world: World, scene: Scene, mishap: str) -> None:
    for at in where_to_strike(world.end_of(scene).operations):
        play(world, scene, at, mishap)


@pytest.mark.parametrize("scene", FEW, ids=str)
def test_a_disk_that_is_full_from_the_start(world: World, scene: Scene) -> None:
    fill_up(world, scene, 1)


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_a_disk_that_fills_up_at_any_operation(world: World, scene: Scene) -> None:
    for at in where_to_strike(world.end_of(scene).operations)[:-1]:
        fill_up(world, scene, at)
