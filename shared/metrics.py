"""Every metric Hearback has, in one place. Labels are bounded: never a customer, an order or a free text."""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# Records taken in and committed, by topic.
messages = Counter("hearback_messages_total", "Records handled and committed.", ["topic"])
# From the first record in hand to the commit of its batch.
batch_seconds = Histogram("hearback_batch_seconds", "Time to commit one batch.", buckets=_LATENCY)
# Records that could not be read or handled, put aside with their bytes.
dead_letters = Counter("hearback_dead_letters_total", "Records put aside as dead letters.", ["topic"])
# How far behind the end of the topic this process is; summed over its partitions.
lag = Gauge("hearback_lag_records", "Records published and not yet handled.", ["topic"])
# Batches given up because another process had moved the position on: the fence at work.
fenced = Counter("hearback_fenced_batches_total", "Batches given up to another process.")
# Attempts that failed because the database or the broker did.
backend_retries = Counter("hearback_backend_retries_total", "Retries after database or broker trouble.", ["loop"])
# Events published from the outbox.
published = Counter("hearback_published_total", "Events published.", ["topic"])
# Oldest unpublished event's age in real seconds, seen by the relay.
outbox_age_seconds = Gauge("hearback_outbox_age_seconds", "Age of the oldest unpublished event.")
# Records skipped because Kafka had deleted them before they were read. Must stay 0.
lost_records = Counter("hearback_lost_records_total", "Records Kafka deleted before they were read.", ["topic"])
# HTTP requests by route template, method and status class.
http_requests = Counter("hearback_http_requests_total", "HTTP requests.", ["route", "method", "status"])
http_seconds = Histogram("hearback_http_seconds", "HTTP response time.", ["route"], buckets=_LATENCY)
# Survey pages shown, by what was shown. Scanners and previews are in it: it says nothing about customers.
survey_pages = Counter("hearback_survey_pages_total", "Survey pages shown, to people and machines.", ["shown"])
# Answers acknowledged, by channel, and by whether they were new, amended, or said what was known already.
answers = Counter("hearback_answers_total", "Answers acknowledged.", ["channel", "change"])
# Pending preferences: changes requested before their survey was consumed; kept, then settled with the survey, or
# dropped because it never came. What is kept and neither settled nor dropped is still waiting.
pending_preferences = Counter("hearback_early_wishes_total", "Pending preferences by what became of them.", ["became"])
# What became of the mails of one courier: accepted, bounced, failed, held (never sent again, because nobody can tell
# whether it arrived), put_off, unknown (to be asked about), resent, unavailable (the mail server was in the way).
courier_mails = Counter("hearback_courier_mails_total", "Survey mails by what became of them.", ["outcome"])
# What was decided about timers that came due: sent, skipped, deferred.
timer_decisions = Counter("hearback_timer_decisions_total", "Timers decided by outcome.", ["outcome"])
# How late the latest batch of timers was decided, by the business clock; 0 when nothing was due.
timer_lateness_seconds = Gauge("hearback_timer_lateness_seconds", "Lateness of the oldest timer of the last batch.")
