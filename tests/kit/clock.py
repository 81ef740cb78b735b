"""A clock for what runs within the test; processes have `shared.clock.SteppedClock`."""

from datetime import datetime, timedelta


class ChosenClock:
    """Stands where the test puts it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, **length: float) -> None:
        """``length`` as `timedelta` takes it: ``pass_time(days=2)``."""
        self.moment += timedelta(**length)
