"""The mailbox's settings, from the environment (`HEARBACK_…`)."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.clock import clock_from

CUT = "cut"
ONCE = "once"


class MailboxSettings(BaseSettings):
    """`mailbox_rules` maps prefixes of recipient addresses to what happens to mail for them:

    - an SMTP code such as `550`: always rejected with it;
    - `once`: deferred (451) at the first attempt and accepted at the next, like greylisting;
    - `cut`: stored, but the connection is dropped before the response, so the sender does not know the outcome.
    """

    model_config = SettingsConfigDict(env_prefix="HEARBACK_")

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8025, ge=1, le=65535)
    smtp_port: int = Field(default=8026, ge=1, le=65535)
    mailbox_file: Path = Path(".hearback/mailbox/mails.sqlite")
    mailbox_keep: int = Field(default=20_000, ge=1)
    clock: str = ""
    mailbox_delay_seconds: float = Field(default=0.0, ge=0, le=600)
    mailbox_rules: Annotated[dict[str, str], NoDecode] = Field(
        default={"bounce-": "550", "defer-": "451", "grey-": ONCE, "cut-": CUT}
    )

    @field_validator("clock")
    @classmethod
    def _readable_clock(cls, value: str) -> str:
        clock_from(value)
        return value

    @field_validator("mailbox_rules", mode="before")
    @classmethod
    def _parse_rules(cls, value: object) -> object:
        """`bounce-=550,cut-=cut` → {"bounce-": "550", "cut-": "cut"}; an empty string means no rules."""
        if not isinstance(value, str):
            return value
        rules = {}
        for rule in filter(None, (part.strip() for part in value.split(","))):
            prefix, _, action = rule.partition("=")
            if not prefix or not (action in (CUT, ONCE) or (action.isdigit() and action[0] in "45")):
                raise ValueError(
                    f"{rule!r} is not a rule: write an address prefix, =, and a 4xx or 5xx code, "
                    f"{ONCE} or {CUT}, for example bounce-=550"
                )
            rules[prefix.lower()] = action
        return rules
