"""A tiny engine that runs nothing: it notes what it is asked, and finishes cells in its own way if told to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from suite.options import Options
from sweeps.engines.base import OK, Plan, Session


class TinyOptions(Options):
    place: str = Field("here", description="where the cells run")
    size: int = Field(1, ge=1, description="of a place")


@dataclass
class TinyEngine:
    """`HERE` and `code` say where it runs and how its sessions end, `known` what its `states` are."""

    HERE: bool = False
    code: int = OK
    known: Mapping[str, str] = field(default_factory=dict)
    OPTIONS: type[Options] = TinyOptions
    plans: list[Plan] = field(default_factory=list)
    options: list[TinyOptions] = field(default_factory=list)
    checked: list[TinyOptions] = field(default_factory=list)

    def check(self, options: TinyOptions) -> None:
        self.checked.append(options)

    def start(self, plan: Plan, options: TinyOptions) -> Session:
        self.plans.append(plan)
        self.options.append(options)
        return Session(f"to stop: leave {options.place}", lambda: self.code)

    def states(self, folder: Path) -> Mapping[str, str]:
        return self.known
