"""Why Kafka or PostgreSQL is failing, in a sentence: aiokafka says only that it could not reach a broker."""

import asyncio
import contextlib
import socket

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NoBrokersAvailable, NodeNotReadyError

from shared.persistence.engine import what_failed

SETTING = "HEARBACK_KAFKA_BOOTSTRAP_SERVERS"
_SECONDS = 2.0
_MOST_SERVERS = 5
# ApiVersions, version 0, correlation id 1, no client id: what every broker answers, whatever its version.
_QUESTION = bytes.fromhex("0000000a0012000000000001ffff")
_CORRELATION = bytes.fromhex("00000001")


async def why_failing(error: BaseException, bootstrap_servers: str) -> str:
    """For logs and readiness, about an error of a backend; it may take two seconds. Never personal data."""
    if isinstance(error, KafkaConnectionError | KafkaTimeoutError | NodeNotReadyError | NoBrokersAvailable):
        return await why_unreachable(bootstrap_servers)
    return what_failed(error)


async def why_unreachable(bootstrap_servers: str) -> str:
    """Asks each of ``bootstrap_servers`` (``host:port``, by commas) itself; takes two seconds at most."""
    servers = [server.strip() for server in bootstrap_servers.split(",") if server.strip()]
    answers = await asyncio.gather(*(_look(server) for server in servers[:_MOST_SERVERS]))
    told = "; ".join(f"{server} {answer}" for server, answer in zip(servers, answers, strict=False))
    return f"Kafka cannot be reached: {told or 'no server is named'} ({SETTING})"


async def _look(server: str) -> str:
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        return "is not host:port"
    try:
        async with asyncio.timeout(_SECONDS):
            return await _ask(host.strip("[]"), int(port))
    except TimeoutError:
        return "does not respond"
    except socket.gaierror:
        return "cannot be found: there is no such host"
    except ConnectionRefusedError:
        return "refuses connections"
    except (OSError, asyncio.IncompleteReadError):
        return "closes the connection: it may want TLS, or be no Kafka"


async def _ask(host: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_QUESTION)
        await writer.drain()
        answer = await reader.readexactly(8)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if answer[4:] != _CORRELATION:
        return "is no Kafka broker"
    return "responds, but the brokers it names do not: look at their advertised.listeners"
