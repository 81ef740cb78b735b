"""The function in the database and the statements beside it hold each other off by locks of the same names."""

import inspect
import re

from sqlalchemy import text

from services.collector.repository import answers, erasures
from tests.integration.collector.kit import Collector

_NAME = re.compile(r"'(hearback\.collector\.[\w.]+)'")


async def test_the_function_that_adds_answers_has_the_locks_of_erasures_and_of_claimed_keys(
    collector: Collector,
) -> None:
    async with collector.runtime.read_only() as connection:
        function = text("SELECT prosrc FROM pg_proc WHERE proname = 'add_answers'")
        body = (await connection.execute(function)).scalar_one()
    names = set(_NAME.findall(inspect.getsource(erasures) + inspect.getsource(answers)))
    assert set(_NAME.findall(body)) == names
    assert len(names) == 3
