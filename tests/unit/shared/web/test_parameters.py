"""A query parameter that has no place in an answer is refused, not ignored."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.testclient import TestClient

from shared.web.parameters import known_parameters
from shared.web.problems import Problem


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(known_parameters)])
    def endpoint(
        window: str = "30d", segment: Annotated[list[str] | None, Query()] = None
    ) -> dict[str, str | list[str] | None]:
        return {"window": window, "segment": segment}

    return TestClient(app)


def test_what_may_come_several_times_is_taken_and_anything_else_is_refused(client: TestClient) -> None:
    assert client.get("/?window=7d&segment=a&segment=b").json() == {"window": "7d", "segment": ["a", "b"]}
    with pytest.raises(Problem, match="window: is given 2 times; give it once"):
        client.get("/?window=7d&window=90d")


def test_a_misspelt_one_is_refused_with_those_there_are(client: TestClient) -> None:
    with pytest.raises(Problem, match="windows: is no parameter; possible are segment, window"):
        client.get("/?windows=7d")
