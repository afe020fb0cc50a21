"""The published table: whole, marked, and as the specification has it."""

from smoecast.tasks.evaluate.tables import COLUMNS, MARKS, WEATHERBENCH


def test_every_entry_is_marked_and_cited() -> None:
    for entry in WEATHERBENCH:
        assert entry.mark in MARKS
        assert entry.source
        assert len(entry.rmse) == len(COLUMNS)
        assert all(value is None or value > 0 for value in entry.rmse)


def test_smoe_s_own_numbers_are_three_day_ones_from_a_leaderboard() -> None:
    smoe = next(e for e in WEATHERBENCH if e.name.startswith("SMoE"))
    assert (smoe.rmse, smoe.mark) == ((198, None, 1.42, None), "L")
