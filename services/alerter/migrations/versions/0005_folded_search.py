"""Cases are found whether or not accents are typed: the words stored are folded (``repository/search.py``)."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The stored words are in lower case and normalised already.
    op.execute(
        r"""
        UPDATE cases
        SET searched = replace(replace(replace(replace(
            normalize(
                regexp_replace(
                    translate(normalize(searched, NFKD), 'øłđðħı', 'olddhi'), '[\u0300-\u036f]', '', 'g'
                ),
                NFKC),
            'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'ß', 'ss')
        WHERE searched ~ '[^\x01-\x7f]'
        """
    )
