"""Questions about rules and segments that write nothing: preview, explanation, overlap, which rules hold."""

from dataclasses import dataclass

from domain.ports import Clock
from domain.segment_ports import SegmentStore


@dataclass(frozen=True, slots=True)
class Analysis:
    """Answers questions about the rules of a business."""

    store: SegmentStore
    clock: Clock
