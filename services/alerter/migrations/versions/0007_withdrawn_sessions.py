"""Staff who sign out end their session at the server, too."""

from alembic import op

from shared.persistence.migrations import create_withdrawn_sessions

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_withdrawn_sessions(op)
