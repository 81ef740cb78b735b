"""The email of one survey: sender, recipient, and the headers specific to surveys."""

from datetime import datetime

from services.dispatcher.courier.channels.email.words import Wording
from shared.contracts.sends import SurveySent
from shared.mail.addresses import Mailbox, domain_of
from shared.mail.message import Body, Email, Sender, header_text, is_plain, write_email
from shared.texts.lines import given_name


def survey_email(
    survey: SurveySent, *, identity: str, sender: Sender, to: Mailbox, words: Wording, body: Body, now: datetime
) -> Email:
    """The email for ``survey``; ``identity`` is its Message-ID, ``now`` its Date (any zone)."""
    headers = {
        "X-Hearback-Send-Id": header_text("X-Hearback-Send-Id", survey.send_id),
        # RFC 2919: lets a reader sort the surveys of one campaign. RFC 8058: the mail client's own unsubscribe button.
        "List-Id": f"<{_list_label(survey.campaign)}.{domain_of(sender.mailbox)}>",
        "List-Unsubscribe": f"<{survey.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return write_email(
        identity=identity,
        sender=sender,
        to=to,
        to_name=given_name(survey.recipient.name),
        subject=words.subject,
        date=now,
        language=words.language,
        headers=headers,
        body=body,
    )


def _list_label(campaign: str) -> str:
    return campaign.lower() if is_plain(campaign) else "surveys"
