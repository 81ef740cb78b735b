"""Customer pages: language, brand and texts combined, for every state a link can be in."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import structlog
from babel import Locale
from babel.dates import format_date
from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from services.collector.domain.answers import form_score
from services.collector.domain.languages import direction_of, language_of
from services.collector.domain.surveys import ClosedSurvey, ErasedSurvey, Survey, UnknownSurvey, is_closed
from services.collector.settings import CollectorSettings
from services.collector.web.words import Words
from shared import metrics
from shared.links import BrokenLink
from shared.runtime import Runtime
from shared.texts.words import survey_language
from shared.web.pages import templates

log = structlog.get_logger()

REFRESH_SECONDS = 3
# A survey that has not been consumed yet will arrive within seconds; a deleted one never will.
_TRIES = 20

UNAVAILABLE = (BrokenLink, UnknownSurvey, ErasedSurvey, ClosedSurvey, SQLAlchemyError, OSError)
"""Why a link cannot be shown; ``Rendering.unavailable`` has a page for each."""


class Rendering:
    """Renders pages; makes no decisions beyond presentation."""

    def __init__(self, runtime: Runtime[CollectorSettings]) -> None:
        self._runtime = runtime
        self._pages = templates(Path(__file__).parents[1], runtime.settings.collector_base_path)
        self._words = Words()

    def page(
        self,
        request: Request,
        template: str,
        survey: Survey | None,
        *,
        score: int | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> HTMLResponse:
        """A page in the reader's language and the campaign's colours. ``score`` selects its group's texts.

        ``values`` go to the template; the texts of ``title_key`` and ``text_key`` become its ``title`` and ``text``.
        """
        campaign = survey.campaign if survey else None
        language = self._language(request, survey)
        brand = campaign.brand if campaign else self._runtime.brand
        words = self._words.of_page(language, brand, survey, score)
        context = {
            "language": language,
            "direction": direction_of(language),
            "brand": brand,
            "words": words,
            "address": address(request),
            "may_change": survey is not None and not is_closed(survey, self._runtime.clock.now()),
            **values,
        }
        for name, key in (("title", "title_key"), ("text", "text_key")):
            if key in values:
                context[name] = words[str(values[key])]
        return self._pages.TemplateResponse(request, template, context, status, dict(headers or {}))

    def unavailable(self, request: Request, error: Exception, *, score: int | None = None) -> HTMLResponse:
        """The page that explains one of UNAVAILABLE. ``score`` is what was chosen on a survey that is not known yet, to
        preselect it once the page continues."""
        match error:
            case BrokenLink():
                return self.broken_link(request)
            case UnknownSurvey():
                return self._unknown(request, score)
            case ErasedSurvey():
                metrics.survey_pages.labels("erased").inc()
                return self._message(request, "erased", mark="stop", status=410)
            case ClosedSurvey():
                return self._closed(request, error.survey)
        log.warning("a page could not be shown, the database is unavailable", error=type(error).__name__)
        headers = {"Retry-After": str(REFRESH_SECONDS)}
        return self._message(request, "trouble", mark="stop", status=503, headers=headers, again=address(request))

    def broken_link(self, request: Request) -> HTMLResponse:
        metrics.survey_pages.labels("forged").inc()
        return self._message(request, "broken_link", mark="stop", status=404)

    def pending(self, request: Request) -> HTMLResponse:
        """A preference change is pending for an unknown survey. The page refreshes until the result is there, as long
        as the survey may still arrive."""
        metrics.survey_pages.labels("wish").inc()
        step = request.query_params.get("step")
        again = _next_try(request, step=step)
        if again is None:
            return self._message(request, "still_pending", mark="stop", status=202, again=address(request, step=step))
        return self._message(request, "pending", mark="wait", status=202, refresh=again, again=again)

    def _unknown(self, request: Request, score: int | None) -> HTMLResponse:
        """The link is valid, but its survey is unknown: not consumed yet, in which case the page refreshes until it
        is; or deleted, which is assumed after a few tries."""
        metrics.survey_pages.labels("unknown").inc()
        again = _next_try(request, score=form_score(request.query_params.get("score")) if score is None else score)
        if again is None:
            return self._message(request, "missing", mark="stop", status=404, again=address(request))
        headers = {"Retry-After": str(REFRESH_SECONDS)}
        return self._message(request, "waiting", mark="wait", status=503, headers=headers, refresh=again, again=again)

    def _closed(self, request: Request, survey: Survey) -> HTMLResponse:
        metrics.survey_pages.labels("closed").inc()
        day = _date(survey.send.expires_at.astimezone(self._runtime.settings.zone), self._language(request, survey))
        return self._message(request, "closed", survey, mark="stop", status=410, day=day)

    def _message(
        self,
        request: Request,
        name: str,
        survey: Survey | None = None,
        *,
        mark: Literal["stop", "wait"],
        status: int,
        headers: Mapping[str, str] | None = None,
        refresh: str | None = None,
        again: str | None = None,
        day: str = "",
    ) -> HTMLResponse:
        return self.page(
            request, "message.html", survey, status=status, headers=headers,
            title_key=f"{name}_title", text_key=f"{name}_text",
            mark=mark, refresh=refresh, again=again, seconds=REFRESH_SECONDS, day=day,
        )  # fmt: skip

    def _language(self, request: Request, survey: Survey | None) -> str:
        campaign = survey.campaign if survey else None
        return language_of(
            asked=request.query_params.get("lang"),
            # As in the email, also where we do not speak the customer's language: one survey asks one question.
            survey=survey_language(survey.send.locale, default_locale=campaign.default_locale if campaign else "en")
            if survey
            else None,
            accepted=request.headers.get("accept-language"),
        )


def address(request: Request, path: str | None = None, /, **parameters: object) -> str:
    """The URL of this page, or of ``path``, with the parameters, and the language if one was requested; None values are
    omitted."""
    given = {**parameters, "lang": request.query_params.get("lang")}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    return (path or request.url.path) + (f"?{query}" if query else "")


def _next_try(request: Request, **parameters: object) -> str | None:
    """The URL of a waiting page's next try; None when it has waited long enough."""
    tries = request.query_params.get("tries", "0")
    count = int(tries) if tries.isascii() and tries.isdigit() and len(tries) < 4 else 0
    return None if count >= _TRIES else address(request, tries=count + 1, **parameters)


def _date(moment: datetime, language: str) -> str:
    return format_date(moment, format="long", locale=Locale.parse(language, sep="-"))
