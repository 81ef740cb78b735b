"""Every metric Hearback has, in one place. Labels have few values: never a customer, an order or free text."""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# Records handled and committed, by topic.
messages = Counter("hearback_messages_total", "Records handled and committed.", ["topic"])
# From the first record in hand to the commit of its batch.
batch_seconds = Histogram("hearback_batch_seconds", "Time to commit one batch.", buckets=_LATENCY)
# Records that could not be read or handled, set aside with their bytes.
dead_letters = Counter("hearback_dead_letters_total", "Records set aside as dead letters.", ["topic"])
# How far behind the end of the topic this process is; summed over its partitions.
lag = Gauge("hearback_lag_records", "Records published and not yet handled.", ["topic"])
# Batches dropped because another process had already moved the position: the fence at work.
fenced = Counter("hearback_fenced_batches_total", "Batches dropped in favour of another process.")
# Attempts that failed because the database or the broker failed.
backend_retries = Counter("hearback_backend_retries_total", "Retries after a database or broker failure.", ["loop"])
# Events published from the outbox.
published = Counter("hearback_published_total", "Events published.", ["topic"])
# Age of the oldest unpublished event in real seconds, as the relay sees it.
outbox_age_seconds = Gauge("hearback_outbox_age_seconds", "Age of the oldest unpublished event.")
# Records skipped because Kafka had deleted them before they were read. Must stay 0.
lost_records = Counter("hearback_lost_records_total", "Records Kafka deleted before they were read.", ["topic"])
# HTTP requests by route template, method and status class.
http_requests = Counter("hearback_http_requests_total", "HTTP requests.", ["route", "method", "status"])
http_seconds = Histogram("hearback_http_seconds", "HTTP response time.", ["route"], buckets=_LATENCY)
# Survey pages shown, by what was shown. Includes scanners and link previews, so it says nothing about customers.
survey_pages = Counter("hearback_survey_pages_total", "Survey pages shown, to people and machines.", ["shown"])
# Answers acknowledged, by channel, and by whether they were new, amended or unchanged.
answers = Counter("hearback_answers_total", "Answers acknowledged.", ["channel", "change"])
# Pending preferences: changes requested before their survey was consumed; kept, then settled with the survey, or
# dropped because it never arrived. What is kept and neither settled nor dropped is still waiting.
pending_preferences = Counter("hearback_early_wishes_total", "Pending preferences by outcome.", ["became"])
# What became of this courier's mails: accepted, bounced, failed, held (not retried, because nobody can tell whether it
# arrived), put_off (retried later), unknown (unresolved), resent, unavailable (the mail server was not responding).
courier_mails = Counter("hearback_courier_mails_total", "Survey mails by outcome.", ["outcome"])
# Decisions about timers that came due: sent, skipped, deferred.
timer_decisions = Counter("hearback_timer_decisions_total", "Timers decided by outcome.", ["outcome"])
# How late the last batch of timers was decided, by the business clock; 0 when nothing was due.
timer_lateness_seconds = Gauge("hearback_timer_lateness_seconds", "Lateness of the oldest timer of the last batch.")
