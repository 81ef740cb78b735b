"""The courier as a process, killed repeatedly in the middle of its work."""

import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaProducer

from deploy.local.backends import Backends
from deploy.local.ports import free_port
from deploy.local.provision import Database
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts import cloudevents, sends
from shared.messaging.topics import all_topics, ensure_topics
from tests.integration.dispatcher.courier.conftest import Open, survey
from tests.integration.dispatcher.courier.post_office import PostOffice
from tests.kit.eventually import eventually, until
from tests.kit.processes import process
from tests.kit.settings import SECRET, settings_for

MAILS = 240
KILLED_AFTER = (1, 80, 160)
"""The number of emails after which the process is killed."""


async def test_killed_again_and_again_it_delivers_every_survey_exactly_once(
    backends: Backends,
    database: Database,
    topic_prefix: str,
    post: PostOffice,
    open_office: Open,
    clock_file: str,
    tmp_path: Path,
) -> None:
    environment = {
        "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": backends.kafka_bootstrap_servers,
        "HEARBACK_TOPIC_PREFIX": topic_prefix,
        "HEARBACK_DATABASE_URL": database.service_urls["dispatcher"],
        "HEARBACK_SECRET": SECRET,
        "HEARBACK_SMTP_URL": f"smtp://127.0.0.1:{post.port}",
        "HEARBACK_SMTP_RECEIPTS_URL": post.receipts_url,
        "HEARBACK_MAIL_FROM": "surveys@shop.test",
        "HEARBACK_CLOCK": clock_file,
        "HEARBACK_COURIER_MAIL_SECONDS": "0.5",
        "HEARBACK_COURIER_LEASE_SECONDS": "1",
        "HEARBACK_CONSUMER_SESSION_SECONDS": "6",
        # Slow enough that a kill interrupts its work.
        "HEARBACK_COURIER_MAILS_PER_SECOND": "150",
    }
    settings = settings_for(
        CourierSettings,
        database.service_urls["dispatcher"],
        kafka_bootstrap_servers=backends.kafka_bootstrap_servers,
        topic_prefix=topic_prefix,
    )
    await ensure_topics(settings, all_topics())
    await _publish(settings)
    for killed_after in KILLED_AFTER:
        async with _courier(environment, tmp_path) as running:
            await _delivered(post, killed_after)
            running.send_signal(signal.SIGKILL)
    office = await open_office()
    async with _courier(environment, tmp_path):
        await eventually(office.states, "every email to be accepted", wanted=_all_accepted, within=90, every=0.1)
    assert sorted(post.recipients()) == sorted(f"ana-{number}@example.com" for number in range(MAILS))
    assert post.questions > 0, "no kill interrupted a transmission: the test proves nothing"


async def _publish(settings: CourierSettings) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await producer.start()
    try:
        for number in range(MAILS):
            body = survey(number)
            headers, value = cloudevents.write(sends.event(body), "/test")
            await producer.send(settings.topic(sends.TOPIC), value, key=body.customer_id.encode(), headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def _courier(environment: dict[str, str], folder: Path) -> AsyncIterator[Process]:
    port = {"HEARBACK_HTTP_PORT": str(free_port())}
    with (folder / "courier.log").open("ab") as log:
        async with process(
            "services.dispatcher", "courier", environment={**environment, **port}, stdout=log, stderr=log
        ) as running:
            yield running


async def _delivered(post: PostOffice, count: int) -> None:
    await until(
        lambda: len(post.mails) >= count, lambda: f"{count} emails, not {len(post.mails)}", within=60, every=0.005
    )


def _all_accepted(states: Mapping[str, str]) -> bool:
    return len(states) == MAILS and set(states.values()) == {"accepted"}
