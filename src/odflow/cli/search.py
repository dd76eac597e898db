"""Options of ``odflow estimate`` for methods that invert a generator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from cyclopts import Group, Parameter

from odflow.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Search:
    """How a generator is searched for what explains the loads; the default is the method's own.

    Parameters
    ----------
    starts : int
        Draws to choose the nearest from, to start with.
    draws : int
        Searches of every interval, from as many starts; the estimate is the mean. Time grows in proportion.
    steps : int
        Steps of every search. Time grows in proportion.
    """

    starts: int | None = None
    draws: int | None = None
    steps: int | None = None

    def check(self) -> None:
        """Raise :class:`UsageError` if a number makes no sense."""
        if self._given:
            from odflow.estimate import InversionConfig

            InversionConfig(**self._given)

    def of(self, estimator: Any) -> Any:
        """The fitted estimator, searching in this way.

        Raises
        ------
        UsageError
            If it holds no generator to search.
        """
        if not self._given:
            return estimator
        if not hasattr(estimator, "stages"):
            name = next(iter(self._given))
            raise UsageError(f"a {type(estimator).__name__} holds no generator; leave --{name} out")
        return replace(estimator, generator=estimator.generator_, **self._given)

    @property
    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


Options = Annotated[Search, Parameter(name="*", group=Group("Methods that invert a generator", sort_key=9))]
