"""Whoever fails too often waits; nobody else does, and nothing grows without bound."""

from shared.web.throttle import Failures


class Watch:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_after_the_limit_an_address_waits_for_the_window_to_end() -> None:
    watch = Watch()
    failures = Failures(limit=3, seconds=60, now=watch)
    for _ in range(3):
        assert failures.wait_seconds("10.0.0.1") == 0
        failures.add("10.0.0.1")
    watch.seconds = 45
    assert failures.wait_seconds("10.0.0.1") == 15
    assert failures.wait_seconds("10.0.0.2") == 0
    watch.seconds = 60
    assert failures.wait_seconds("10.0.0.1") == 0


def test_only_so_many_addresses_are_remembered() -> None:
    failures = Failures(limit=1, max_addresses=2, now=Watch())
    for address in ("a", "b", "c"):
        failures.add(address)
    assert [failures.wait_seconds(address) > 0 for address in ("a", "b", "c")] == [False, True, True]
