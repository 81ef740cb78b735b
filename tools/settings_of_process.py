"""The settings that each process reads."""

from collections.abc import Mapping

from services.alerter.settings import AlerterSettings
from services.collector.settings import CollectorSettings
from services.dispatcher.courier.settings import CourierSettings
from services.dispatcher.settings import DispatcherSettings
from services.scorer.settings import ScorerSettings
from shared.settings import ServiceSettings

SETTINGS_OF_PROCESS: Mapping[str, type[ServiceSettings]] = {
    "dispatcher": DispatcherSettings,
    "courier": CourierSettings,
    "collector": CollectorSettings,
    "scorer": ScorerSettings,
    "alerter": AlerterSettings,
}
