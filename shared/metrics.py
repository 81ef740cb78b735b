"""All of Hearback's metrics. Labels have few values: never a customer, an order or free text."""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# Records handled and committed, by topic.
messages = Counter("hearback_messages_total", "Records handled and committed.", ["topic"])
# From receiving the first record to committing its batch.
batch_seconds = Histogram("hearback_batch_seconds", "Time to commit one batch.", buckets=_LATENCY)
# Records that could not be read or handled, stored with their bytes.
dead_letters = Counter("hearback_dead_letters_total", "Records that became dead letters.", ["topic"])
# Fields of events from outside that were not read as they were sent: converted, cut or left out.
adjusted_fields = Counter("hearback_adjusted_fields_total", "Fields not read as sent.", ["topic", "field", "change"])
# The service's lag: end offset minus stored position, summed over all partitions, whoever owns them. Every replica
# reports the same: take the maximum, not the sum.
lag = Gauge("hearback_lag_records", "Lag of the service: records published but not yet handled.", ["topic"])
# Batches dropped by the fence because another process had already moved the position.
fenced = Counter("hearback_fenced_batches_total", "Batches dropped because another process had moved the position.")
# Retries because the database or the broker failed.
backend_retries = Counter("hearback_backend_retries_total", "Retries after a database or broker failure.", ["loop"])
# Events published from the outbox.
published = Counter("hearback_published_total", "Events published.", ["topic"])
# Turns to publish taken by this process; the relay of another process has it until that one ends or has trouble.
relay_turns = Counter("hearback_relay_turns_total", "Turns to publish taken.")
# Events that cannot be published, and those of the same key or topic that wait behind them. Should be 0.
outbox_set_aside = Gauge("hearback_outbox_set_aside", "Events that cannot be published, or wait behind one.")
# Age of the oldest unpublished event in real seconds, whichever process publishes; it grows while nothing can be read.
outbox_age_seconds = Gauge("hearback_outbox_age_seconds", "Age of the oldest unpublished event.")
# Records skipped because Kafka had deleted them before they were read. Must stay 0.
lost_records = Counter("hearback_lost_records_total", "Records Kafka deleted before they were read.", ["topic"])
# Topics found to have been deleted and made again, and so read from their beginning; once per assigned process.
topics_made_anew = Counter("hearback_topics_made_anew_total", "Topics that were deleted and made again.", ["topic"])
# HTTP requests by route template, method and status class.
http_requests = Counter("hearback_http_requests_total", "HTTP requests.", ["route", "method", "status"])
http_seconds = Histogram("hearback_http_seconds", "HTTP response time.", ["route"], buckets=_LATENCY)
# Survey pages shown, by what was shown. Includes link scanners and previews, so it is no measure of customers.
survey_pages = Counter("hearback_survey_pages_total", "Survey pages shown, including to bots.", ["shown"])
# Answers acknowledged, by channel, and by whether they were new, amended or unchanged.
answers = Counter("hearback_answers_total", "Answers acknowledged.", ["channel", "change"])
# Pending preferences: changes requested before their survey was consumed; kept, then settled with the survey, or
# dropped because it never arrived. Kept minus settled minus dropped is still pending.
pending_preferences = Counter("hearback_early_wishes_total", "Pending preferences by outcome.", ["became"])
# Outcomes of this courier's deliveries: accepted, bounced, failed, held (not retried, because it is unknown whether it
# arrived), put_off (retried later), unknown (unresolved), resent; and, while the server takes nothing, why:
# unavailable, misconfigured (it refuses us as we are set up), throttled, refuses_all (it refuses everybody alike).
courier_deliveries = Counter("hearback_courier_mails_total", "Surveys delivered, or not, by outcome.", ["outcome"])
# Decisions about timers that came due: sent, skipped, deferred.
timer_decisions = Counter("hearback_timer_decisions_total", "Timers decided by outcome.", ["outcome"])
# Lateness of the last batch of timers by the business clock; 0 when nothing was due.
timer_lateness_seconds = Gauge("hearback_timer_lateness_seconds", "Lateness of the oldest timer of the last batch.")
# Real seconds since the oldest change that is not in a published score yet was folded into the sums, whoever publishes;
# or for how long this process has seen changes that nobody could fold, if that is longer.
score_age_seconds = Gauge("hearback_score_age_seconds", "Age of the oldest change of a score not published yet.")
