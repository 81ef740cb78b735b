"""What a campaign's own texts may leave to be filled in."""

PLACEHOLDERS = ("{brand}", "{product}", "{name}")
