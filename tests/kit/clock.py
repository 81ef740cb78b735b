"""A clock for services within the test's process; other processes use `shared.clock.SteppedClock`."""

from datetime import datetime, timedelta


class ChosenClock:
    """Stands still until the test moves it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, **length: float) -> None:
        """Takes what `timedelta` takes: ``pass_time(days=2)``."""
        self.moment += timedelta(**length)
