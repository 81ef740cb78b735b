"""What keeps a process from Kafka is told in a sentence."""

import asyncio
import socket

from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError

from deploy.local.backends import Backends
from deploy.local.ports import HOST, free_port
from shared.messaging.reachability import why_failing, why_unreachable
from tests.kit.settings import kafka_at


async def test_each_server_is_told_apart(backends: Backends) -> None:
    async def no_broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(no_broker, HOST, 0)
    closed, web = f"{HOST}:{free_port()}", f"{HOST}:{server.sockets[0].getsockname()[1]}"
    async with server:
        told = await why_unreachable(
            kafka_at(f"{closed}, {web},no-such-host.invalid:9092,broker,{backends.kafka_bootstrap_servers}")
        )
    assert told == (
        f"Kafka cannot be reached: {closed} refuses connections; {web} is no Kafka broker; "
        "no-such-host.invalid:9092 cannot be found: there is no such host; broker is not host:port; "
        f"{backends.kafka_bootstrap_servers} responds, but the brokers it names do not: look at their "
        "advertised.listeners (HEARBACK_KAFKA_BOOTSTRAP_SERVERS)"
    )


async def test_one_that_says_nothing_is_waited_for_two_seconds() -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        assert "does not respond (HEARBACK" in await why_unreachable(kafka_at(f"{HOST}:{silent.getsockname()[1]}"))


async def test_only_what_is_about_reaching_it_is_looked_into() -> None:
    nobody = kafka_at(f"{HOST}:{free_port()}")
    assert "refuses connections" in await why_failing(KafkaConnectionError("unable to bootstrap"), nobody)
    assert await why_failing(UnknownTopicOrPartitionError("c-42"), nobody) == "UnknownTopicOrPartitionError"
    assert await why_failing(TimeoutError(), nobody) == "no response in time"
