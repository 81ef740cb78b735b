"""What the live stream sends."""

from services.scorer.domain.stream import ScoreUpdate


def test_an_update_is_read_from_what_was_published() -> None:
    body = '{"campaign":"*","window":"7d","segment":"country:BR","n":3}'
    update = ScoreUpdate.read(9, body)
    assert update == ScoreUpdate(change=9, campaign="*", window="7d", segment="country:BR", body=body)
    assert update.key == ("*", "7d", "country:BR")
