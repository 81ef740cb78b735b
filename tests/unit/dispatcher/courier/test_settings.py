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
    ],
)
def test_a_senseless_setting_is_refused_with_a_sentence(name: str, value: object, sentence: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as refused:
        CourierSettings(secret=SecretStr(SECRET), **{name: value})  # type: ignore[arg-type]
    assert sentence in str(refused.value)
