"""Segments: their definitions, checked before anything is written, and what depends on what."""

from dataclasses import dataclass

from domain.ports import Clock
from domain.segment_ports import SegmentStore


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of a business, as the services see them."""

    store: SegmentStore
    clock: Clock
