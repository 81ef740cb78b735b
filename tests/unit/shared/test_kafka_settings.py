"""How Kafka is reached is checked before anything tries, and is the same for everything that does."""

import ast
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.local.programs import PROJECT
from shared.kafka_settings import KafkaSettings, settings_errors

USER = {"kafka_username": "hearback", "kafka_password": "secret"}


def test_without_a_word_nothing_is_secured() -> None:
    assert KafkaSettings().connection() == {
        "bootstrap_servers": "127.0.0.1:9092", "security_protocol": "PLAINTEXT",
    }  # fmt: skip


def test_a_user_signs_in_over_tls() -> None:
    connection = KafkaSettings.of(
        {
            "HEARBACK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "HEARBACK_KAFKA_USERNAME": "hearback",
            "HEARBACK_KAFKA_PASSWORD": "secret", "HEARBACK_DATABASE_URL": "not ours",
        }
    ).connection()  # fmt: skip
    context = connection.pop("ssl_context")
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert connection == {
        "bootstrap_servers": "127.0.0.1:9092", "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "hearback", "sasl_plain_password": "secret",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kafka_security_protocol": "TLS"}, "HEARBACK_KAFKA_SECURITY_PROTOCOL: "),
        (
            {"kafka_security_protocol": "SASL_SSL", "kafka_password": "secret"},
            "HEARBACK_KAFKA_PASSWORD: HEARBACK_KAFKA_SECURITY_PROTOCOL is SASL_SSL, which needs this and HEARBACK_",
        ),
        ({**USER, "kafka_sasl_mechanism": "GSSAPI"}, "HEARBACK_KAFKA_SASL_MECHANISM: "),
        ({"kafka_ca_file": "/nowhere/ca.pem"}, "HEARBACK_KAFKA_CA_FILE: '/nowhere/ca.pem' cannot be used"),
        ({"kafka_ca_file": "README.md"}, "HEARBACK_KAFKA_CA_FILE: 'README.md' cannot be used"),
        ({"kafka_certificate_file": "README.md"}, "HEARBACK_KAFKA_KEY_FILE: 'README.md' cannot be used"),
        ({"kafka_key_file": "README.md"}, "HEARBACK_KAFKA_KEY_FILE: is of no use without"),
    ],
)
def test_what_cannot_work_is_refused_without_its_secrets(
    values: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    with pytest.raises(ValidationError) as refused:
        KafkaSettings(**values)
    (sentence,) = settings_errors(refused.value)
    assert sentence.startswith(told) and "secret" not in sentence


def clients_in(file: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if any(keyword.arg == "bootstrap_servers" for keyword in call.keywords)]


def test_no_client_of_a_service_is_told_the_brokers_and_not_how_to_sign_in() -> None:
    files = [
        file
        for top in ("shared", "services", "tools/audit", "tools/hearback")
        for file in PROJECT.glob(f"{top}/**/*.py")
    ]
    assert [file.name for file in files if clients_in(file)] == []
    assert clients_in(PROJECT / "tools/simulation/shop.py"), "the shop's own client, which is found in this way"
