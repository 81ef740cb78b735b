"""The words by which mail servers say why they refuse, for replies whose codes do not tell."""

import re
from typing import Literal

ReplyClass = Literal["gone", "full", "policy", "set_up", "throttled", "temporary"]
"""``gone``: there is no such mailbox. ``full``: there is, without room. ``policy``: the server does not want this
message. ``set_up``: it does not work for us as we are set up (login, sender, relaying, protocol). ``throttled``: too
much or too fast for it, or it is closing. ``temporary``: anything else that may pass."""

# What the capitals in a phrase stand for.
_PARTS = {
    "MAILBOX": r"(?:user|mail ?box|inbox|recipient|account|address|addressee|alias|person|customer)",
    "IS": r"(?:is |was |are |has |has been |could )?(?:currently |a |an )?",
    "LIST": r"(?:block|black|deny|reject)[ -]?list",
    "LIMIT": r"(?:limit|quota|rate)s?",
}

_SET_UP = (
    r"relay(ing)? (access )?IS(denied|prohibited|refused|not (permitted|allowed))",
    r"(denied|unable|cannot|can't|do not|does not|refuse|refused|won't|not \w+) to relay",
    r"(do not|does not|cannot|can't|won't) relay",
    r"(authentication|authorization|encryption|starttls|tls|login|log in) IS(required|needed|failed|unsuccessful)",
    r"authentication (credentials|unsuccessful|failed)|not (logged in|authenticated)",
    r"(must|please|need to) (first )?(authenticate|log ?in|log on)|(authenticate|log ?in|log on) (first|before)",
    r"(must|please|need to) (issue|use) (a )?starttls",
    r"(bad|invalid|wrong) (user ?name|password|credentials)",
    r"(not|n't) (allowed|permitted|authori[sz]ed) to (send|use)|permissions? to send as",
    r"(from|sender) (address )?IS(not (owned|allowed|verified|permitted|authori[sz]ed)|unverified)",
    r"(sender|from) (address )?(verify|verification) failed|unverified sender",
    r"bad sequence|unrecogni[sz]ed command|unknown command|command (not|un) ?(recogni[sz]ed|implemented|known)",
    r"sending (from this account |for your account )?IS(suspended|paused|disabled)",
)
_THROTTLED = (
    r"too (many (?!hops)|much|fast|frequent)|throttl|slow(ing)? down|server IS(too )?busy",
    r"(rate|sending|message|hourly|daily|connection)s?[ -](rate[ -])?LIMIT",
    r"(exceed\w*|over) (its |the |your |allowed |maximum |sending |hourly |daily )*rate",
    r"closing (the )?(transmission )?channel|shutting down",
)
_POLICY = (
    r"\b(spf|dkim|dmarc|arc|dnsbl|rbl|ptr|rdns)\b|reverse dns|no dns record",
    r"LIST|\bblocked\b|\bban(ned)?\b|listed (at|by|in|on) (?!(the |our )?directory)|reputation",
    r"spam|unsolicited|bulk mail|advert|virus|malware|phish|suspicious",
    r"(local|security|content|site) policy|policy (reasons|violation|restrict\w*|reject\w*|prohibits)|our policy",
    r"(message|content|mail) (content )?IS(rejected|refused|not accepted|prohibited)",
    r"(sender|from) (address |domain )?IS(rejected|denied|refused)|domain of (the )?sender|sender'?s? domain",
    r"only accepts? (mail|messages) from|restricted (sender|list|group)|not on the (allow|white)[ -]?list",
    r"gr[ae]y[ -]?list",
)
_FULL = (
    r"MAILBOX('s)?( mail ?box| inbox)? IS(full|over (its |the )?LIMIT|exceeded (its |the |storage )*LIMIT)",
    r"quota IS(exceeded|full|reached)|(over|exceed\w*) (its |the |storage |disk |mail ?box )*(quota|allocation)",
    r"over ?quota|mail ?box size limit|out of (storage|disk) space",
    r"(no|not enough|insufficient) (room|space|storage) (left )?(in|for|on) (the |this )?MAILBOX",
)
_GONE = (
    r"MAILBOX( address| name| account)? IS(unknown|not known|invalid|not (be )?found|non-?exist\w*|deleted|removed)",
    r"MAILBOX( address| name| account)? IS(closed|terminated|disabled|deactivated|inactive|expired|no longer)",
    r"(does|do|did)(n't| not) exist|not exist|no longer (exists?|available|valid|active|in use|works)",
    r"(doesn't|does not) have (an? )?(\S+ )?account",
    r"(unknown|invalid|non-?existent|inactive|undeliverable|no such|no) (local )?MAILBOX\b(?! list)",
    r"not (a |an |our |any )?(known|valid|active|local|existing) MAILBOX",
    r"(no ?body|no one|no mail ?box|nobody) (is )?(here )?(here )?(by|with|of|under) (that|this) (name|address)",
    r"not (listed )?in (the |our )?(domino )?directory",
)


def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(re.sub("|".join(_PARTS), lambda name: _PARTS[name[0]], "|".join(phrases)))


PHRASES: tuple[tuple[ReplyClass, re.Pattern[str]], ...] = (
    ("set_up", _pattern(_SET_UP)),
    ("throttled", _pattern(_THROTTLED)),
    ("policy", _pattern(_POLICY)),
    ("full", _pattern(_FULL)),
    ("gone", _pattern(_GONE)),
)
"""Each class with its words, in lower case and single-spaced, in the order in which to look for them: what is said of
us goes before what is said of the recipient, because a server that refuses us may add "recipient rejected"."""
