"""Why Kafka or PostgreSQL is failing, in a sentence: aiokafka says only that it could not reach a broker."""

import asyncio
import contextlib
import socket
import ssl

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NoBrokersAvailable,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.kafka_settings import KafkaSettings
from shared.persistence.engine import what_failed

SETTING = "HEARBACK_KAFKA_BOOTSTRAP_SERVERS"
_SECONDS = 2.0
_MOST_SERVERS = 5
# ApiVersions, version 0, correlation id 1, no client id: what every broker answers, whatever its version.
_QUESTION = bytes.fromhex("0000000a0012000000000001ffff")
_CORRELATION = bytes.fromhex("00000001")


async def why_failing(error: BaseException, settings: KafkaSettings) -> str:
    """For logs and readiness, about an error of a backend; it may take two seconds. Never personal data."""
    if isinstance(error, KafkaConnectionError | KafkaTimeoutError | NodeNotReadyError | NoBrokersAvailable):
        return await why_unreachable(settings)
    return what_failed(error)


async def why_unreachable(settings: KafkaSettings) -> str:
    """Asks each of the bootstrap servers (``host:port``, by commas) itself; takes two seconds at most."""
    servers = [server.strip() for server in settings.kafka_bootstrap_servers.split(",") if server.strip()]
    answers = await asyncio.gather(*(_look(server, settings) for server in servers[:_MOST_SERVERS]))
    told = "; ".join(f"{server} {answer}" for server, answer in zip(servers, answers, strict=False))
    return f"Kafka cannot be reached: {told or 'no server is named'} ({SETTING})"


async def _look(server: str, settings: KafkaSettings) -> str:
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        return "is not host:port"
    try:
        async with asyncio.timeout(_SECONDS):
            return await _ask(host.strip("[]"), int(port), settings)
    except TimeoutError:
        return "does not respond"
    except socket.gaierror:
        return "cannot be found: there is no such host"
    except ConnectionRefusedError:
        return "refuses connections"
    except ssl.SSLCertVerificationError as error:
        return f"has a certificate that is not trusted: {error.verify_message} (HEARBACK_KAFKA_CA_FILE)"
    except ssl.SSLError as error:
        if "CERTIFICATE_REQUIRED" in (error.reason or ""):
            return "wants a client certificate (HEARBACK_KAFKA_CERTIFICATE_FILE)"
        return f"does not agree about TLS: {error.reason} (HEARBACK_KAFKA_SECURITY_PROTOCOL)"
    except (OSError, asyncio.IncompleteReadError):
        if settings.uses_tls:
            return "closes the connection: it may offer no TLS (HEARBACK_KAFKA_SECURITY_PROTOCOL), or be no Kafka"
        return "closes the connection: it may want TLS (HEARBACK_KAFKA_SECURITY_PROTOCOL), or be no Kafka"


async def _ask(host: str, port: int, settings: KafkaSettings) -> str:
    reader, writer = await asyncio.open_connection(host, port, ssl=settings.tls() if settings.uses_tls else None)
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
    return await _why_not_signed_in(host, port, settings) or (
        "responds, but the brokers it names do not: look at their advertised.listeners"
    )


async def _why_not_signed_in(host: str, port: int, settings: KafkaSettings) -> str | None:
    try:
        connection = await create_conn(host, port, **settings.security())
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except UnsupportedSaslMechanismError:
        return f"does not offer {settings.kafka_sasl_mechanism} (HEARBACK_KAFKA_SASL_MECHANISM)"
    except (AuthenticationFailedError, SaslAuthenticationFailed):
        return "refuses this user name or password (HEARBACK_KAFKA_USERNAME)"
    except KafkaError:
        if settings.uses_sasl:
            return "does not let us sign in (HEARBACK_KAFKA_SECURITY_PROTOCOL, HEARBACK_KAFKA_USERNAME)"
        return "closes the connection: it may want users to sign in (HEARBACK_KAFKA_SECURITY_PROTOCOL)"
    return None
