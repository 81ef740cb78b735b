"""What may be slow takes a twentieth of the time at most."""

from shared.ration import Ration


def test_what_is_quick_is_done_each_time_and_what_is_slow_now_and_then() -> None:
    now = 0.0
    ration = Ration(now=lambda: now)
    assert ration.due()
    ration.took(0.0001)
    now += 0.01
    assert ration.due()
    ration.took(0.5)
    now += 9.9
    assert not ration.due()
    now += 0.2
    assert ration.due()


def test_it_can_be_made_due() -> None:
    ration = Ration(now=lambda: 0.0)
    ration.took(60)
    ration.reset()
    assert ration.due()
