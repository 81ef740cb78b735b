"""The peers' programs count what the oracle counts: once, where the last revision belongs."""

import importlib
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.answers import Answers
from benchmarks.peers.oracle import by_segment_and_day, compare

SETTINGS = ("KAFKA", "TOPIC", "OUTPUT", "NAME")


def test_changes_add_up_to_the_expected_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(f"PEER_{name}", "unused")
    monkeypatch.setenv("PEER_STATE", str(tmp_path))
    monkeypatch.setenv("PEER_PARTITIONS", "6")
    monkeypatch.setenv("PEER_SESSION_MILLISECONDS", "10000")
    counting = importlib.import_module("benchmarks.peers.programs.counting")
    answers = Answers(count=3_000)
    known: dict[bytes, list[object]] = {}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for record in answers:
        answer = counting.answer_in(record.value)
        changed = counting.changes(known.get(record.key), answer)
        if changed:
            known[record.key] = answer
        for key, change in changed.items():
            counts[key] = [count + more for count, more in zip(counts[key], change, strict=True)]
    found = {key: (count[0], count[1], count[2]) for key, count in counts.items()}
    assert compare(found, by_segment_and_day(answers.expected)).wrong == 0
    assert (tmp_path / "begun").exists()
