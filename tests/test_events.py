"""Events are read, and a temperature that can only be meant in degrees Celsius is told."""

import pytest

from smoecast.events import Event, event


def test_an_event_is_a_channel_a_side_and_a_threshold() -> None:
    assert event(" t2m < 2.5e2 ") == Event("t2m", above=False, threshold=250.0)
    assert str(event("z500>54000")) == "z500>54000"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t2m>0", "'t2m>0' is in kelvin, and no air is so cold: for degrees Celsius write"),
        ("t2m<-5", "t2m<268.15"),
        ("t850>20", "t850>293.15"),
        ("t2m", "is no event"),
        ("frost>0", "is no event"),
        ("t2m>1e999", "the threshold is infinite"),
    ],
)
def test_what_is_none_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        event(text)


def test_what_is_no_temperature_may_be_small() -> None:
    assert event("tp>0.001").threshold == 0.001
    assert event("t2m>273.15").threshold == 273.15
