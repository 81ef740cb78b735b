"""Staff who sign out end their session at the server, too."""

from alembic import op

from shared.persistence.migrations import create_withdrawn_sessions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_withdrawn_sessions(op)
