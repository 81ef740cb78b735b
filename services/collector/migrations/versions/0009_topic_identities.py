"""A topic that was deleted and made again is another one: positions are in the one they were taken from."""

from alembic import op

from shared.persistence.migrations import add_topic_identities

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_topic_identities(op)
