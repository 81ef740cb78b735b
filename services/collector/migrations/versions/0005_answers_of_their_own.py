"""An Idempotency-Key has a body, two answer ids never share a key, and answers are found by their order."""

from alembic import op
from sqlalchemy import text

from shared.contracts.identity import derived_key

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AT_ONCE = 10_000


def upgrade() -> None:
    # `request_digest` is of the request whose Idempotency-Key the answer was recorded under. `derived_key` is the UUID
    # under which an answer is stored elsewhere, where its id is no canonical UUID.
    op.execute("ALTER TABLE answers ADD COLUMN request_digest bytea, ADD COLUMN derived_key uuid")
    _fill_derived_keys()
    op.execute("CREATE UNIQUE INDEX answers_by_derived_key ON answers (derived_key) WHERE derived_key IS NOT NULL")
    # An erasure looks for answers that name an order and no customer.
    op.execute(
        "CREATE INDEX answers_about_order ON answers ((body->>'order_id')) "
        "WHERE customer_id IS NULL AND body->>'order_id' IS NOT NULL"
    )
    # The orders of erased customers, as keyed digests, for as long as an answer about one may be on its way.
    op.execute(
        """
        CREATE TABLE erased_orders (
            order_digest bytea       PRIMARY KEY,
            erased_at    timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX erased_orders_by_age ON erased_orders (erased_at)")


def _fill_derived_keys() -> None:
    connection = op.get_bind()
    ids = text("SELECT answer_id FROM answers WHERE answer_id > :after ORDER BY answer_id LIMIT :limit")
    fill = text(
        """
        UPDATE answers SET derived_key = given.derived_key
        FROM unnest(CAST(:answer_ids AS text[]), CAST(:derived_keys AS uuid[])) AS given (answer_id, derived_key)
        WHERE answers.answer_id = given.answer_id
        """
    )
    after = ""
    while read := list(connection.execute(ids, {"after": after, "limit": _AT_ONCE}).scalars()):
        derived = {answer_id: key for answer_id in read if (key := derived_key(answer_id)) is not None}
        connection.execute(fill, {"answer_ids": list(derived), "derived_keys": list(derived.values())})
        after = read[-1]
