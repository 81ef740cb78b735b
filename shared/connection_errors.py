"""What is raised when a connection to Kafka or PostgreSQL is lost."""

import asyncpg
from aiokafka.errors import KafkaError

CONNECTION_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # Raised by the driver when the server is killed in the middle of a response.
    asyncpg.InternalClientError,
    KafkaError,
    OSError,
    TimeoutError,
)
