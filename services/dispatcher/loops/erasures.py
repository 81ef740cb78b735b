"""Finishes the erasure of customers with very many orders, a slice at a time."""

from services.dispatcher.actions import erasures
from services.dispatcher.settings import DispatcherSettings
from shared.runtime import Runtime


class ErasureLoop:
    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Clears one slice of one customer. True when there may be more."""
        return await erasures.carry_on(self._runtime)
