"""An audit that is impossible says why."""

import pytest

from tools.audit.audit import CannotAudit, Installation, audit

NOWHERE = {
    "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "HEARBACK_DATABASE_URL": "postgresql://hearback@127.0.0.1:9/hearback",
    "HEARBACK_SCORER_URL": "http://127.0.0.1:9",
    "HEARBACK_ALERTER_URL": "http://127.0.0.1:9",
    "HEARBACK_API_KEY": "key",
}


async def test_an_installation_that_cannot_be_reached_cannot_be_audited() -> None:
    with pytest.raises(CannotAudit, match="Is the stack up"):
        await audit(Installation.from_environment(NOWHERE))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEARBACK_API_KEY", ""),
        ("HEARBACK_TIMEZONE", "Brasil/Sao_Paulo"),
        ("HEARBACK_QUIET_PERIOD_DAYS", "a quarter"),
        ("HEARBACK_MINIMUM_ANSWERS", "ten"),
    ],
)
def test_an_invalid_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(CannotAudit, match=name):
        Installation.from_environment({**NOWHERE, name: value})
