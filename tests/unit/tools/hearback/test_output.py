"""An id in a list can be copied, at a narrow terminal as in a pipe."""

import io

import pytest
from rich.console import Console

from tools.hearback.output import list_of, print_list, visible

ID = "dispatcher/orders/5/1234567"
REASON = "occurred_at: is not an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_an_id_stays_whole_at_a_terminal_of_any_width(width: int) -> None:
    assert ID in printed(Console(file=io.StringIO(), force_terminal=True, width=width, soft_wrap=True))


def test_in_a_pipe_each_row_is_a_line() -> None:
    lines = printed(Console(file=io.StringIO(), width=80, soft_wrap=True)).splitlines()
    assert [ID in line and REASON in line for line in lines] == [False, True]


def test_what_others_wrote_is_shown_and_not_obeyed() -> None:
    written = "\x1b]0;mine\x07São\u202e 東京\u3000\n\t{}\x00\ud800"
    assert visible(written) == r"\x1b]0;mine\x07São\u202e 東京" + "\u3000\n\t{}" + r"\x00\ud800"


def printed(console: Console) -> str:
    table = list_of("id", "set aside", "ce_id", "state", "reason")
    table.add_row(ID, "2026-11-26 20:17:01 UTC", "0b3d5dd5-4a5d-4e8e-9b1f-2b53ec1a1f5e", "set aside", REASON)
    print_list(console, table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
