"""Settings that make no sense are rejected at start."""

import pytest
from pydantic import SecretStr, ValidationError

from services.dispatcher.courier.settings import CourierSettings
from tests.kit.settings import SECRET


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("smtp_url", SecretStr("http://mail.example"), "smtp+starttls://"),
        ("smtp_url", SecretStr("smtp://"), "name a host"),
        ("mail_from", "Shop <a@b.c>", "not a valid email address"),
        ("smtp_receipts_url", "file:///etc/passwd", "http"),
        ("courier_lease_seconds", 20, "at least twice"),
        ("courier_mails_per_second", 0.03, "HEARBACK_COURIER_LEASE_SECONDS to at least 49"),
        ("courier_retry_limit_seconds", 9, "HEARBACK_COURIER_RETRY_SECONDS"),
        ("courier_give_up_days", 0.0001, "HEARBACK_COURIER_GIVE_UP_DAYS"),
    ],
)
def test_a_senseless_setting_is_refused_with_a_sentence(name: str, value: object, sentence: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as refused:
        CourierSettings(secret=SecretStr(SECRET), **{name: value})  # type: ignore[arg-type]
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("rate", "burst"), [(0, 24), (100, 24), (0.5, 12), (0.04, 1)])
def test_a_burst_is_what_its_lease_has_room_for_at_the_permitted_rate(rate: float, burst: int) -> None:
    """Of 40 seconds, 15 are kept for the last email."""
    settings = CourierSettings(secret=SecretStr(SECRET), courier_mails_per_second=rate)
    assert settings.burst == burst
