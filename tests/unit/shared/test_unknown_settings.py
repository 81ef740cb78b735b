"""A misspelt setting is named with what was probably meant; what anything of Hearback reads is not misspelt."""

import pytest

from services.alerter.settings import AlerterSettings
from services.dispatcher.courier.settings import CourierSettings
from shared.unknown_settings import unknown_settings


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "HEARBACK_QUIET_PERIOD_DAY",
            "HEARBACK_QUIET_PERIOD_DAY is not known; did you mean HEARBACK_QUIET_PERIOD_DAYS?",
        ),
        ("HEARBACK_QUIETPERIOD_DAYS", "; did you mean HEARBACK_QUIET_PERIOD_DAYS?"),
        ("HEARBACK_KAFKA_BOOTSTRAP_SERVER", "; did you mean HEARBACK_KAFKA_BOOTSTRAP_SERVERS?"),
        ("HEARBACK_MAIL_FORM", "; did you mean HEARBACK_MAIL_FROM?"),
        ("HEARBACK_QUIT_PERIOD_DAYS", "; did you mean HEARBACK_QUIET_PERIOD_DAYS?"),
        ("HEARBACK_PORTBASE", "; did you mean HEARBACK_PORT_BASE?"),
        ("HEARBACK_WEATHER", "HEARBACK_WEATHER is not known"),
        (
            "HEARBACK_CONSUMER_LINGER_SECONDS",
            "is no longer read; HEARBACK_CONSUMER_INTERVAL_SECONDS has taken its place, see CHANGELOG.md",
        ),
    ],
)
def test_a_misspelt_one_is_named(name: str, sentence: str) -> None:
    (told,) = unknown_settings({name: "a value that may be secret", "PATH": "/bin"})
    assert told.endswith(sentence) and told.startswith(name)


def test_settings_of_other_processes_and_tools_are_known() -> None:
    names = [f"HEARBACK_{name.upper()}" for name in (*AlerterSettings.model_fields, *CourierSettings.model_fields)]
    of_the_stack = [
        "HEARBACK_API_KEY",
        "HEARBACK_PORT_BASE",
        "HEARBACK_STATE",
        "HEARBACK_REPLICAS",
        "HEARBACK_MAILBOX_RULES",
    ]
    assert unknown_settings([*names, *of_the_stack, "HEARBACK_SCORER_URL"]) == []


def test_what_kubernetes_sets_for_a_service_of_ours_is_not_misspelt() -> None:
    scorer = ["HEARBACK_SCORER_SERVICE_HOST", "HEARBACK_SCORER_SERVICE_PORT_HTTP", "HEARBACK_SCORER_PORT_8003_TCP_ADDR"]
    assert unknown_settings(scorer) == []
    assert unknown_settings(["HEARBACK_HTTP_PORTS"]) == [
        "HEARBACK_HTTP_PORTS is not known; did you mean HEARBACK_HTTP_PORT?"
    ]


def test_a_flood_of_them_is_bounded() -> None:
    told = unknown_settings([f"HEARBACK_{'X' * 5_000}{number}" for number in range(500)])
    assert len(told) == 20 and max(map(len, told)) < 200
