"""What the log says of dead letters: each of the first few of a topic, then how many more there were."""

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.messaging.letter_log import LETTERS_A_MINUTE, LetterLog
from shared.messaging.records import DeadLetter


def letter(offset: int, topic: str = "orders", **more: object) -> DeadLetter:
    values = {"reason": "order_id: is missing", "event_id": f"e-{offset}", "key": b"c-1", "value": b"ana@example.com"}
    return DeadLetter(topic=topic, partition=2, offset=offset, headers=(), **{**values, **more})  # type: ignore[arg-type]


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_line_says_where_the_record_was_and_why_and_holds_nothing_of_it() -> None:
    with capture_logs() as logs:
        LetterLog("dispatcher", Clock()).tell([letter(7)])
    (line,) = logs
    assert line["log_level"] == "warning"
    assert {name: line[name] for name in ("topic", "partition", "offset", "ce_id", "reason", "letter")} == {
        "topic": "orders",
        "partition": 2,
        "offset": 7,
        "ce_id": "e-7",
        "reason": "order_id: is missing",
        "letter": "dispatcher/orders/2/7",
    }
    assert "ana@" not in str(line) and "c-1" not in str(line)


def test_many_are_counted_by_topic_and_told_when_the_minute_is_over() -> None:
    clock = Clock()
    log = LetterLog("dispatcher", clock)
    with capture_logs() as logs:
        log.tell([letter(number) for number in range(1_000)])
        log.tell([letter(1, "customers.preferences")])
        clock.seconds += 59
        log.tell_rest()
    assert len(logs) == LETTERS_A_MINUTE + 1, "another topic has lines of its own"
    clock.seconds += 2
    with capture_logs() as logs:
        log.tell_rest()
        log.tell_rest()
    (line,) = logs
    assert (line["topic"], line["records"]) == ("orders", 1_000 - LETTERS_A_MINUTE)
    with capture_logs() as logs:
        log.tell([letter(1_001)])
    assert [line["offset"] for line in logs] == [1_001], "a new minute"


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 40), st.floats(0, 90)), max_size=30))
def test_every_letter_is_told_or_counted_and_no_minute_has_many_lines(rounds: list[tuple[str, int, float]]) -> None:
    clock = Clock()
    log = LetterLog("dispatcher", clock)
    with capture_logs() as logs:
        for topic, number, seconds in rounds:
            log.tell([letter(one, topic) for one in range(number)])
            clock.seconds += seconds
            log.tell_rest()
        log.close()
    told = sum(line.get("records", 1) for line in logs)
    assert told == sum(number for _, number, _ in rounds)
    minutes = 1 + (clock.seconds - 100) / 60
    for topic in ("a", "b"):
        assert sum(line["topic"] == topic for line in logs) <= (LETTERS_A_MINUTE + 1) * (minutes + 1)
