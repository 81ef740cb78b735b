"""What the topics on a cluster are called, and how they are set up."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from shared.contracts.topics import FORGET_DAYS
from shared.kafka_settings import KafkaSettings


class TopicSettings(KafkaSettings):
    """Read by every process, and by the tools that look after topics."""

    topic_prefix: str = Field("", pattern=r"^[a-zA-Z0-9._-]{0,60}$", description="Prefix of every topic name.")
    topic_replication: int = Field(
        0,
        ge=0,
        le=10,
        description="Replication factor of topics this process creates; 0 = three, or the number of brokers if fewer.",
    )
    topic_min_insync_replicas: int = Field(
        0,
        ge=0,
        le=10,
        description="Replicas that must have a record before it counts as published, in topics this process creates; "
        "0 = one fewer than there are, but at least one.",
    )
    forget_days: Annotated[float, Field(gt=0)] = Field(
        FORGET_DAYS, le=90, description="Days within which what was erased, or has aged, has left the disks of Kafka."
    )

    @field_validator("topic_min_insync_replicas")
    @classmethod
    def _not_more_than_replicas(cls, value: int, info: ValidationInfo) -> int:
        replication = info.data.get("topic_replication", 0)
        if 0 < replication < value:
            raise ValueError(
                f"{value} is more than HEARBACK_TOPIC_REPLICATION ({replication}): nothing could be published"
            )
        return value

    def topic(self, name: str) -> str:
        """The topic's name on this cluster."""
        return self.topic_prefix + name
