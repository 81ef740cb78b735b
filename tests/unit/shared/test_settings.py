"""A bad setting stops the start with a sentence that names it, and never shows a secret."""

import pytest

from services.alerter.settings import AlerterSettings
from shared.settings import ServiceSettings, load
from tests.kit.settings import SECRET

GOOD = {"HEARBACK_SECRET": SECRET}


def start(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ServiceSettings:
    for name, value in {**GOOD, **environment}.items():
        monkeypatch.setenv(name, value)
    return load(ServiceSettings)


def test_defaults_are_enough_but_for_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = start(monkeypatch)
    assert settings.topic("orders") == "orders"
    assert settings.zone.key == "UTC"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:8002", ""),
        ("https://[::1]:8002/", ""),
        ("https://shop.example/feedback", "/feedback"),
        ("https://shop.example/feedback/v2/", "/feedback/v2"),
    ],
)
def test_the_public_url_may_have_a_path(monkeypatch: pytest.MonkeyPatch, url: str, path: str) -> None:
    assert start(monkeypatch, HEARBACK_PUBLIC_COLLECTOR_URL=url).collector_base_path == path


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HEARBACK_TOPIC_REPLICATION", "11", "less than or equal to 10"),
        ("HEARBACK_DASHBOARD_URL", "https://shop.example/nps", "a host or port of their own"),
        ("HEARBACK_INBOX_URL", "https://shop.example/inbox/", "a host or port of their own"),
        ("HEARBACK_INBOX_URL", "https://shop.example/?queue=vip", "a host or port of their own"),
        ("HEARBACK_INBOX_URL", "shop.example", "a host or port of their own"),
        ("HEARBACK_HTTP_PORT", "99999", "less than or equal to 65535"),
        ("HEARBACK_SECRET", "short", "at least 32 characters"),
        ("HEARBACK_TIMEZONE", "Atlantis/Center", "is not a time zone"),
        ("HEARBACK_CLOCK", "soon", "is not <time>"),
        ("HEARBACK_BRAND_COLOR", "blue", "pattern"),
        ("HEARBACK_TOPIC_PREFIX", "a b", "pattern"),
        ("HEARBACK_DATABASE_URL", "mysql://u:p@h/d", "must start with postgresql://"),
        ("HEARBACK_API_KEYS", "shop:abc:*", "entry 1 is not name:SHA-256"),
        ("HEARBACK_FORMER_SECRETS", "s" * 32 + ",short", "entry 2 has less than 32 characters"),
        ("HEARBACK_PUBLIC_COLLECTOR_URL", "shop.example/feedback", "is not a public URL"),
        ("HEARBACK_PUBLIC_COLLECTOR_URL", "https://shop.example/feedback?a=1", "is not a public URL"),
        ("HEARBACK_PUBLIC_COLLECTOR_URL", "https://shop.example//feedback", "is not a public URL"),
        ("HEARBACK_PUBLIC_COLLECTOR_URL", "https://shop.example/feed back", "is not a public URL"),
        ("HEARBACK_RETRY_LIMIT_SECONDS", "60", "less than or equal to 45"),
    ],
)
def test_a_bad_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        start(monkeypatch, **{name: value})
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{name}: ")
    assert sentence in told
    assert told.count("\n") == 1


def test_no_secret_is_no_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HEARBACK_SECRET", raising=False)
    with pytest.raises(SystemExit):
        load(ServiceSettings)
    assert "HEARBACK_SECRET: must have at least 32 characters" in capsys.readouterr().err


def test_a_new_secret_signs_and_the_oldest_keys_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = start(monkeypatch, HEARBACK_SECRET="n" * 32, HEARBACK_FORMER_SECRETS=f"{'m' * 32}, {'o' * 32}")
    assert settings.secrets == ("n" * 32, "m" * 32, "o" * 32)
    assert start(monkeypatch, HEARBACK_FORMER_SECRETS="").secrets == (SECRET,)


def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = start(monkeypatch, HEARBACK_DATABASE_URL="", HEARBACK_HTTP_PORT="")
    assert settings.http_port == 8_000
    assert settings.database_url.get_secret_value().startswith("postgresql://")


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = start(monkeypatch, HEARBACK_SECRET="k" * 40, HEARBACK_DATABASE_URL="postgresql://u:hunter2@h/d")
    assert "k" * 40 not in repr(settings)
    assert "hunter2" not in repr(settings)
    with pytest.raises(SystemExit):
        start(monkeypatch, HEARBACK_SECRET="too-short-secret")
    assert "too-short-secret" not in capsys.readouterr().err


def test_every_setting_says_what_it_is_for() -> None:
    undescribed = [name for name, field in ServiceSettings.model_fields.items() if not field.description]
    assert undescribed == []


def test_no_topic_may_need_more_replicas_than_it_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, HEARBACK_TOPIC_REPLICATION="2", HEARBACK_TOPIC_MIN_INSYNC_REPLICAS="3")
    told = capsys.readouterr().err
    assert "HEARBACK_TOPIC_MIN_INSYNC_REPLICAS" in told
    assert "nothing could be published" in told


def test_a_person_waits_for_the_alerter_and_its_batches_may_follow_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own default goes before the common one, and one that is given before both."""
    monkeypatch.setenv("HEARBACK_SECRET", SECRET)
    assert load(AlerterSettings).consumer_interval_seconds == 0.015
    assert load(ServiceSettings).consumer_interval_seconds == 0.1
    monkeypatch.setenv("HEARBACK_CONSUMER_INTERVAL_SECONDS", "0.5")
    assert load(AlerterSettings).consumer_interval_seconds == 0.5


@pytest.mark.parametrize("seconds", ["0", "-1", "5.1"])
def test_batches_must_have_a_distance_and_no_long_one(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, HEARBACK_CONSUMER_INTERVAL_SECONDS=seconds)
