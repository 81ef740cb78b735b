"""What a simulated customer does with a survey: mostly nothing, like real customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from shared.nps import group_of
from tools.demo.shop import Order

Kind = Literal["view", "answer", "comment", "unsubscribe", "scan"]

BEHAVIOURS = {"silent": 30, "answers": 40, "comments": 16, "changes_mind": 5, "scanned": 6, "unsubscribes": 3}
ANSWER_DAYS = (0.3, 12.0)

COMMENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "late": ("It came far too late.", "Nobody told me the parcel was delayed."),
        "poor": ("One part was missing.", "Not what the render showed."),
        "good": ("All fine, nothing special.", "Good, but the box was huge."),
        "great": ("Quick and easy 👏", "Lovely quality, thank you!"),
    },
    "pt": {
        "late": ("Chegou muito depois do prazo.", "Ninguém avisou do atraso."),
        "poor": ("Faltou uma peça.", "Diferente da foto."),
        "good": ("Tudo certo, nada demais.", "Bom, mas a caixa era enorme."),
        "great": ("Rápido e fácil 👏", "Ótima qualidade, obrigada!"),
    },
    "ko": {
        "late": ("배송이 너무 늦었어요.", "지연 안내가 없었어요."),
        "poor": ("부품이 하나 빠져 있었어요.", "사진과 달라요."),
        "good": ("무난해요.", "좋은데 상자가 너무 커요."),
        "great": ("빠르고 편했어요 👏", "품질이 정말 좋아요!"),
    },
    "zh": {
        "late": ("送得太晚了。", "没有人通知我会延误。"),
        "poor": ("少了一个零件。", "和图片不一样。"),
        "good": ("还可以。", "不错，就是箱子太大。"),
        "great": ("又快又方便 👏", "质量很好，谢谢！"),
    },
    "nb": {
        "late": ("Pakken kom altfor sent.", "Ingen sa fra om forsinkelsen."),
        "poor": ("Det manglet en del.", "Ikke slik bildet viste."),
        "good": ("Helt greit.", "Bra, men esken var enorm."),
        "great": ("Raskt og enkelt 👏", "Nydelig kvalitet, takk!"),
    },
}


@dataclass(frozen=True, slots=True)
class Action:
    """One visit, ``after`` this much simulated time since the email was read.

    "comment" gives the score and then, as the page's second step, the comment.
    """

    after: timedelta
    kind: Kind
    score: int | None = None
    comment: str | None = None


def reaction(seed: int, send_id: str, order: Order, read_at: datetime) -> Sequence[Action]:
    """What this customer does about this survey; deterministic."""
    random = Random(f"{seed}/{send_id}")  # noqa: S311  # not for secrets; must be repeatable
    behaviour = random.choices(tuple(BEHAVIOURS), tuple(BEHAVIOURS.values()))[0]
    after = timedelta(days=random.uniform(*ANSWER_DAYS))
    score = choose_score(random, order, read_at + after)
    match behaviour:
        case "answers":
            return (Action(after, "view"), Action(after, "answer", score))
        case "comments":
            comment = choose_comment(random, order, score, read_at + after)
            return (Action(after, "view"), Action(after, "comment", score, comment))
        case "changes_mind":
            second = score + random.choice((3, 4)) * (1 if score < 5 else -1)
            return (Action(after, "answer", score), Action(after + timedelta(days=2), "answer", second))
        case "scanned":
            # A mail scanner opens every link immediately, whether or not the customer answers later.
            scan = Action(timedelta(), "scan")
            return (scan, Action(after, "answer", score)) if random.random() < 0.5 else (scan,)
        case "unsubscribes":
            return (Action(after, "unsubscribe"),)
        case _:
            return ()


def choose_score(random: Random, order: Order, now: datetime) -> int:
    """Late shipments make detractors, loyal customers are kinder, one product line is less popular."""
    if order.late(now):
        return random.choices(range(11), (14, 10, 12, 12, 10, 12, 10, 8, 6, 4, 2))[0]
    weights = [1, 1, 1, 1, 2, 3, 5, 12, 20, 26, 28]
    if order.person.tier == "gold":
        weights = [*weights[:9], 40, 45]
    if "audio" in order.categories:
        weights = [3, 2, 3, 3, 4, 8, 12, 20, 20, 15, 10]
    return random.choices(range(11), weights)[0]


def choose_comment(random: Random, order: Order, score: int, now: datetime) -> str:
    """A comment in the customer's language that fits the score."""
    language = {"no": "nb"}.get(order.person.locale[:2], order.person.locale[:2])
    unhappy = "late" if order.late(now) else "poor"
    tone = {"detractor": unhappy, "passive": "good", "promoter": "great"}[group_of(score)]
    return random.choice(COMMENTS[language][tone])
