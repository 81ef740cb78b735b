"""Changes of the day counts are appended and folded; sums per window are kept; a day's end is worked off in slices.

``day_counts.changed``, its index, and the table ``publication`` are no longer used; the next version drops them, and
the triggers with them.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WINDOWS = ("7d", "30d", "90d", "365d", "all")
_COUNTERS = ("promoters", "passives", "detractors", "delivered", "answered")


def upgrade() -> None:
    # At once, instead of first for one index and then for the other: a publisher of the previous version that reads
    # before the first and writes before the second would otherwise be in a deadlock with us, perhaps again and again.
    op.execute("LOCK TABLE day_counts IN ACCESS EXCLUSIVE MODE")

    # What batches add to the day counts. Rows are only inserted, so that batches never wait for one another, and
    # deleted when they are folded into day_counts. The transaction tells which of them a fold has not seen yet: ids
    # would not, because a transaction with lower ones may commit later. Vacuum must not truncate it: for that it would
    # stop the batches.
    op.execute(
        """
        CREATE TABLE day_changes (
            transaction xid8    NOT NULL DEFAULT pg_current_xact_id(),
            segment_id  integer NOT NULL,
            campaign_id integer NOT NULL,
            day         date    NOT NULL,
            promoters   integer NOT NULL,
            passives    integer NOT NULL,
            detractors  integer NOT NULL,
            delivered   integer NOT NULL,
            answered    integer NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, vacuum_truncate = false)
        """
    )
    op.execute("CREATE INDEX day_changes_by_transaction ON day_changes (transaction)")

    # What the windows that end on the day as_of add up to, and those before; campaign −1 is all campaigns together.
    # A row exists once something was folded into it or a walk has come by; it is then the sum over day_counts.
    # waiting_since is the age of what is not published yet.
    current = [f"{counter}_{window}" for window in _WINDOWS for counter in _COUNTERS]
    before = [f"{counter}_before_{window}" for window in _WINDOWS if window != "all" for counter in _COUNTERS[:3]]
    op.execute(
        f"""
        CREATE TABLE window_sums (
            segment_id    integer NOT NULL,
            campaign_id   integer NOT NULL,
            as_of         date    NOT NULL,
            waiting_since timestamptz,
            {", ".join(f"{column} bigint NOT NULL" for column in (*current, *before))},
            PRIMARY KEY (segment_id, campaign_id)
        ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)
        """
    )
    op.execute("CREATE INDEX window_sums_waiting ON window_sums (waiting_since) WHERE waiting_since IS NOT NULL")

    # What the publishers of all processes know together, one at a time. walked_to is the last segment of a walk in
    # progress that brings the sums to last_day; "building" means that it also makes the rows that do not exist yet. All
    # changes that the snapshot "folded" contains are folded; of those of "folding", some.
    op.execute(
        """
        CREATE TABLE publisher (
            only_one      boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
            last_day      date,
            walked_to     integer     DEFAULT -1,
            walk_again    boolean     NOT NULL DEFAULT false,
            building      boolean     NOT NULL DEFAULT true,
            folded        pg_snapshot,
            folding       pg_snapshot,
            published_to  timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z'
        )
        """
    )
    op.execute("INSERT INTO publisher (last_day) SELECT max(last_day) FROM publication")

    # A day's end reads single days of some segments.
    op.execute("CREATE INDEX day_counts_by_day_and_segment ON day_counts (day, segment_id)")
    op.execute("DROP INDEX day_counts_by_day")
    op.execute("ALTER TABLE day_counts ALTER COLUMN changed SET DEFAULT false")

    # A replica of the previous version adds to day_counts directly, with "changed". That becomes a row of day_changes,
    # so that its answers are in the sums; and it finds nothing to publish.
    op.execute(
        """
        CREATE FUNCTION count_as_before_0008() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
            INSERT INTO day_changes
                (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered)
            VALUES (NEW.segment_id, NEW.campaign_id, NEW.day, NEW.promoters, NEW.passives, NEW.detractors,
                    NEW.delivered, NEW.answered);
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER count_as_before_0008 BEFORE INSERT ON day_counts
        FOR EACH ROW WHEN (NEW.changed) EXECUTE FUNCTION count_as_before_0008()
        """
    )
    op.execute("UPDATE day_counts SET changed = false WHERE changed")
    op.execute(
        """
        CREATE FUNCTION mark_as_before_0008() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER mark_as_before_0008 BEFORE UPDATE ON day_counts
        FOR EACH ROW WHEN (NEW.changed) EXECUTE FUNCTION mark_as_before_0008()
        """
    )
