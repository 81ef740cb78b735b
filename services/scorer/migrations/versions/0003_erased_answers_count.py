"""Erased answers go on counting; the response rate is by the survey's day; comments know their answer.

``answers.surveyed`` and ``day_counts.surveyed`` are no longer used; the next version drops them.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # An erased answer has no score, but goes on counting in its group. One erased before this has neither; it counts
    # again once its erasure is read again (below), if that says what the answer counts as.
    op.execute(
        """
        ALTER TABLE answers ADD COLUMN erased_group text
        CHECK (erased_group IN ('promoter', 'passive', 'detractor'))
        """
    )

    # An answer counts for the response rate on the day of its survey. Which surveys were answered is known only from
    # the answers, so those are read again from the beginning of their compacted topic: what is stored already changes
    # nothing. Surveys that are no longer stored keep the old figure, as far as it is possible.
    op.execute("ALTER TABLE surveys ADD COLUMN answered boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE day_counts ADD COLUMN answered integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE day_counts ALTER COLUMN surveyed SET DEFAULT 0")
    op.execute(
        """
        UPDATE day_counts SET
            changed = true,
            answered = CASE WHEN day < (SELECT COALESCE(min(sent_on), 'infinity') FROM surveys)
                            THEN least(surveyed, delivered) ELSE 0 END
        """
    )
    op.execute("DELETE FROM consumer_positions WHERE topic = 'surveys.answers'")

    # A comment leads to its answer's case, whose id is derived from the answer's.
    op.execute("ALTER TABLE comments ADD COLUMN answer_id text")
