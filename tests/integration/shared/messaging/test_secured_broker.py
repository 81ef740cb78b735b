"""A broker that wants TLS, and users to sign in, is reached by all that reach one; what is missing is told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode
from deploy.local.ports import HOST, free_ports
from deploy.local.provision import Database
from deploy.local.supervisor import Supervisor
from shared.contracts.topics import ANSWERS, ORDERS, PREFERENCES, dead_letter_topic
from shared.kafka_settings import KafkaSettings
from shared.messaging.reachability import why_unreachable
from shared.messaging.segments import SegmentLoop
from shared.messaging.topics import ensure_topics
from tests.integration.shared.conftest import CONSUMER, open_bench, running
from tests.kit.eventually import eventually
from tests.kit.relays import published
from tools.audit.topics import Topics

USER, PASSWORD = "hearback", "pass;word"


@dataclass(frozen=True)
class Secured:
    """Addresses of one broker: ``signed_in`` wants a user, ``trusted`` a certificate of the client, ``both`` TLS and
    a user. ``authority`` has signed the broker's certificate and the client's, which is in ``client``."""

    signed_in: str
    trusted: str
    both: str
    authority: Path
    client: Path

    def with_user(self, **values: Any) -> dict[str, Any]:
        return {
            "kafka_bootstrap_servers": self.both, "kafka_security_protocol": "SASL_SSL", "kafka_username": USER,
            "kafka_password": PASSWORD, "kafka_ca_file": self.authority, **values,
        }  # fmt: skip

    def with_certificate(self, **values: Any) -> dict[str, Any]:
        return {
            "kafka_bootstrap_servers": self.trusted, "kafka_security_protocol": "SSL",
            "kafka_ca_file": self.authority, "kafka_certificate_file": self.client, **values,
        }  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority, broker, client = await certificates(folder)
    ports = dict(zip(("CLIENT", "CONTROLLER", "SIGNED_IN", "TRUSTED", "BOTH"), free_ports(5), strict=True))
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = f'{login} user_{USER}="{PASSWORD}";'
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    protocols = {
        "CLIENT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", "SIGNED_IN": "SASL_PLAINTEXT", "TRUSTED": "SSL",
        "BOTH": "SASL_SSL",
    }  # fmt: skip
    addresses = {name: f"{name}://{HOST}:{port}" for name, port in ports.items()}
    settings: dict[str, str | int] = {
        "listeners": ",".join(addresses.values()),
        "advertised.listeners": ",".join(addresses.values()),
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
        "listener.name.trusted.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(broker),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority),
    }
    for name in ("signed_in", "both"):
        settings |= {
            f"listener.name.{name}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            f"listener.name.{name}.plain.sasl.jaas.config": users,
            f"listener.name.{name}.scram-sha-512.sasl.jaas.config": scram,
        }
    node = KafkaNode(
        folder=folder / "kafka",
        port=ports["CLIENT"],
        controller_port=ports["CONTROLLER"],
        settings=settings,
        formatted_with=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
    )
    supervisor = Supervisor(folder / "processes.json")
    jars = await fetch_jars(read_lock())
    await node.prepare(jars)
    try:
        await supervisor.start(node.program(jars, folder / "kafka.log"))
        yield Secured(
            signed_in=f"{HOST}:{ports['SIGNED_IN']}",
            trusted=f"{HOST}:{ports['TRUSTED']}",
            both=f"{HOST}:{ports['BOTH']}",
            authority=authority,
            client=client,
        )
    finally:
        await supervisor.stop_all()


async def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """PEM files of a new authority's certificate, and of a broker's and a client's certificates with their keys."""
    key, authority = folder / "authority.key", folder / "authority.pem"
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    await openssl("req", "-x509", *new_key, "-keyout", key, "-out", authority, "-subj", "/CN=authority")
    made = []
    for name in ("broker", "client"):
        own_key, wanted, signed = (folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        await openssl("req", *new_key, "-keyout", own_key, "-out", wanted, "-subj", f"/CN={name}")
        extensions = folder / "extensions"
        extensions.write_text(f"subjectAltName=IP:{HOST}\n")
        await openssl(
            "x509", "-req", "-in", wanted, "-CA", authority, "-CAkey", key, "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", signed,
        )  # fmt: skip
        both = folder / f"{name}.pem"
        both.write_bytes(own_key.read_bytes() + signed.read_bytes())
        made.append(both)
    return authority, made[0], made[1]


async def openssl(*arguments: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "openssl", *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "PLAIN", "certificate"])
async def test_everything_reaches_it(secured: Secured, empty_database: Database, topic_prefix: str, way: str) -> None:
    values = secured.with_certificate() if way == "certificate" else secured.with_user(kafka_sasl_mechanism=way)
    letters = dead_letter_topic(ORDERS.name, service=CONSUMER)
    async with open_bench(empty_database, topic_prefix=topic_prefix, **values) as bench:
        await bench.publish([1, 2])
        await bench.publish_raw(b"{not json", [("ce_type", b"order.placed"), ("ce_id", b"3"), ("ce_source", b"/shop")])
        async with running(bench.consumer()), running(bench.relay()):
            await eventually(bench.counted, "both orders", wanted=lambda found: len(found) == 2)
            await eventually(lambda: published(bench.settings, letters.name), "the dead letter")
        await ensure_topics(bench.settings, [ANSWERS])
        # Nothing of this kind is logged when it succeeds; a marker is where a record would be.
        await SegmentLoop(bench.settings, "collector").step()
        async with Topics(bench.settings, prefix=topic_prefix).ends([PREFERENCES.name]) as ends:
            await eventually(ends, "markers", wanted=lambda found: min(found.values()) == 1)


async def test_what_keeps_us_from_it_is_told(secured: Secured) -> None:
    async def told(**values: Any) -> str:
        return await why_unreachable(KafkaSettings(**values))

    user = secured.with_user(kafka_sasl_mechanism="PLAIN")
    assert "refuses this user name or password (HEARBACK_KAFKA_USERNAME)" in await told(
        **{**user, "kafka_password": "another"}
    )
    assert "does not offer SCRAM-SHA-256 (HEARBACK_KAFKA_SASL_MECHANISM)" in await told(
        **{**user, "kafka_sasl_mechanism": "SCRAM-SHA-256"}
    )
    assert "has a certificate that is not trusted" in await told(**{**user, "kafka_ca_file": None})
    assert "it may want TLS (HEARBACK_KAFKA_SECURITY_PROTOCOL)" in await told(kafka_bootstrap_servers=secured.both)
    assert "it may want users to sign in" in await told(kafka_bootstrap_servers=secured.signed_in)
    assert "wants a client certificate" in await told(**secured.with_certificate(kafka_certificate_file=None))
    assert "it may offer no TLS (HEARBACK_KAFKA_SECURITY_PROTOCOL)" in await told(
        **{**user, "kafka_bootstrap_servers": secured.signed_in}
    )
    assert "responds" in await told(**user)
    assert "responds" in await told(**secured.with_certificate())
