"""Campaigns have numbers; the decision log has sets of them, because why most set no timer was most of what it held."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    # The release before inserts without a number, which may leave some out.
    op.execute("CREATE SEQUENCE campaign_numbers AS integer MINVALUE 0")
    op.execute("ALTER TABLE campaigns ADD COLUMN number integer NOT NULL UNIQUE DEFAULT nextval('campaign_numbers')")
    op.execute("ALTER SEQUENCE campaign_numbers OWNED BY campaigns.number")
    # By reason: hexadecimal digits of the number in which bit n stands for the campaign with number n.
    op.execute("ALTER TABLE decisions ADD COLUMN left_out jsonb")
