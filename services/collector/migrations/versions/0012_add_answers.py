"""Adding a batch of new answers takes one statement."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Adds the answers that are plainly new, with their events, and returns their ids. The others are left alone, for
    # whoever reads and decides: those that are known, or in another transaction's hands, and those that may be an
    # erased person's. Nothing is waited for but another transaction that is adding the same id.
    #
    # A function, because each of its statements sees what was committed before it: whether somebody was erased must be
    # read after erasures are held off (`repository/erasures.py` has the locks' names, and what they are for). A survey
    # is held by its row.
    # Statistics of a table that was empty a moment ago must not make it read whole tables, hence the setting.
    op.execute(
        """
        CREATE FUNCTION add_answers(
            topic            text,
            answer_ids       text[],
            customer_ids     text[],  -- null if the answer names none
            bodies           text[],  -- as published, in JSON
            request_digests  bytea[],
            derived_keys     uuid[],
            claims           text[],  -- the keys that no other id may have; null for ids of our own
            customer_digests bytea[],
            order_digests    bytea[], -- null if the answer names a customer, or no order
            rival_ids        text[],  -- ids that must not exist
            rival_keys       uuid[],  -- derived keys that must not exist
            send_ids         text[],  -- the surveys that are answered, which must be of these customers
            headers          text[]   -- of the events
        ) RETURNS SETOF text
        LANGUAGE plpgsql
        SET enable_seqscan = off
        AS $$
        #variable_conflict use_column
        DECLARE
            held boolean[];
        BEGIN
            SELECT array_agg(
                (customer IS NULL OR pg_try_advisory_xact_lock_shared(
                    hashtextextended('hearback.collector.customer.' || customer, 0)))
                AND (order_digest IS NULL OR pg_try_advisory_xact_lock_shared(
                    hashtextextended('hearback.collector.orders', 0)))
                AND (claim IS NULL OR pg_try_advisory_xact_lock(
                    hashtextextended('hearback.collector.answer.' || claim, 0)))
                AND (send IS NULL OR (
                    SELECT true FROM sends
                    WHERE sends.send_id = send AND sends.customer_id IS NOT DISTINCT FROM customer
                        AND sends.erased_at IS NULL
                    FOR SHARE SKIP LOCKED
                ))
                ORDER BY place
            )
            INTO held
            FROM unnest(customer_ids, order_digests, claims, send_ids)
                WITH ORDINALITY AS given (customer, order_digest, claim, send, place);

            RETURN QUERY
            WITH given AS MATERIALIZED (
                SELECT *
                FROM unnest(
                    answer_ids, customer_ids, bodies, request_digests, derived_keys, customer_digests, order_digests,
                    rival_ids, rival_keys, headers, held
                ) WITH ORDINALITY AS given (
                    answer_id, customer_id, body, request_digest, derived_key, customer_digest, order_digest,
                    rival_id, rival_key, header, may, place
                )
            ),
            added AS (
                INSERT INTO answers (answer_id, revision, customer_id, body, request_digest, derived_key)
                SELECT answer_id, 1, customer_id, body::jsonb, request_digest, derived_key
                FROM given
                WHERE may
                    -- As the conflict would tell, but without waiting for whoever is changing it.
                    AND (SELECT true FROM answers WHERE answers.answer_id = given.answer_id) IS NULL
                    AND (SELECT true FROM erasures WHERE erasures.customer_digest = given.customer_digest) IS NULL
                    AND (SELECT true FROM erased_orders WHERE erased_orders.order_digest = given.order_digest) IS NULL
                    AND (SELECT true FROM answers WHERE answers.answer_id = given.rival_id) IS NULL
                    AND (SELECT true FROM answers WHERE answers.derived_key = given.rival_key) IS NULL
                ORDER BY answer_id
                ON CONFLICT DO NOTHING
                RETURNING answers.answer_id
            ),
            announced AS (
                INSERT INTO outbox (topic, key, headers, value)
                SELECT add_answers.topic, convert_to(answer_id, 'UTF8'), header, convert_to(body, 'UTF8')
                FROM given JOIN added USING (answer_id)
                ORDER BY place
            )
            SELECT answer_id FROM added;
        END
        $$
        """
    )
