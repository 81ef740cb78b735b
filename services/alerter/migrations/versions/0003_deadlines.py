"""The earliest deadline of each case; contacted cases stand after those nobody has contacted."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE cases ADD COLUMN first_due_at timestamptz")
    # The positions are those of Case.position: contacted cases had that of their deadline or of their opening.
    op.execute(
        """
        UPDATE cases
        SET first_due_at = due_at,
            position = CASE WHEN status = 'contacted'
                            THEN 9990000000000000 + floor(extract(epoch FROM changed_at) * 1000)::bigint
                            ELSE position END
        WHERE due_at IS NOT NULL OR status = 'contacted'
        """
    )
