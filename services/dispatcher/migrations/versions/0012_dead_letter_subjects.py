"""Whom and what a dead letter is about, as keyed digests."""

from alembic import op

from shared.persistence.migrations import add_dead_letter_subjects

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_dead_letter_subjects(op)
