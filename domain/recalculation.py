"""Recalculation: runs that make memberships agree with definitions. A run is a row of the store; whoever holds its
lease works on it, and everything it changes is committed together."""

from dataclasses import dataclass

from domain.ports import Clock
from domain.segment_ports import SegmentStore


@dataclass(frozen=True, slots=True)
class Recalculations:
    """The runs of a business, as the services see them."""

    store: SegmentStore
    clock: Clock
