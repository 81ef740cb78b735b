"""What is in the files in which a broker keeps its partitions, also when records are compressed."""

from collections.abc import Collection, Iterator
from pathlib import Path

from aiokafka.record.memory_records import MemoryRecords


def words_on_disk(disk: Path, words: Collection[str], *, prefix: str) -> dict[str, set[str]]:
    """Which of these words are in any segment, by topic under this prefix; also in segments that are being replaced or
    deleted. Upper and lower case are one."""
    found: dict[str, set[str]] = {}
    wanted = {word: word.casefold() for word in words}
    for file in disk.glob(f"{prefix}*/*.log*"):
        try:
            text = "\n".join(_texts(file.read_bytes())).casefold()
        except FileNotFoundError:
            continue  # deleted at this moment
        here = {word for word, folded in wanted.items() if folded in text}
        if here:
            found.setdefault(file.parent.name.removeprefix(prefix).rpartition("-")[0], set()).update(here)
    return found


def _texts(segment: bytes) -> Iterator[str]:
    """The segment as it is, and each record in it."""
    yield segment.decode(errors="replace")
    batches = MemoryRecords(segment)
    while batches.has_next():
        batch = batches.next_batch()
        assert batch is not None
        if batch.is_control_batch:
            continue
        for record in batch:
            fields = [record.key, record.value, *(value for _, value in record.headers)]
            yield from (field.decode(errors="replace") for field in fields if field)
