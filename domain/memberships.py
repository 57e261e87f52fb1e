"""Memberships: who is in which segment, since when and by whom; putting in and taking out by hand; snapshots."""

from dataclasses import dataclass

from domain.ports import Clock
from domain.segment_ports import SegmentStore


@dataclass(frozen=True, slots=True)
class Memberships:
    """The memberships of a business, as the services see them."""

    store: SegmentStore
    clock: Clock
