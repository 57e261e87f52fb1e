"""Segments as the command line shows them: in lines, as JSON, with their newest runs, and as the file that one can be
made of again."""

import json
from datetime import datetime

from domain.jobs.model import Job
from domain.model import Business
from domain.pages import PageRequest
from domain.segments.model import Segment, SegmentKind
from domain.segments.segments import describe_definition, to_definition_json
from domain.store import SegmentFilter, SegmentSort
from gql.cli.output import format_minute, format_second
from gql.cli.session import Session

SIZE = 250


async def load_segments(session: Session, business: Business) -> list[Segment]:
    """All segments of the business, by name."""
    segments: list[Segment] = []
    request = PageRequest(SIZE)
    while True:
        async with session.services.store.read(business) as unit:
            page = await unit.segments.load_page(request, SegmentFilter(), SegmentSort.NAME, False)
        segments += page.items
        if not page.has_next:
            return segments
        request = PageRequest(SIZE, after=page.positions[-1])


def as_stated(segment: Segment) -> dict[str, object]:
    """The segment with the fields of CreateSegmentInput that have a value, so that it can be read again."""
    values = {
        "name": segment.name,
        "key": segment.key,
        "description": segment.description,
        "kind": segment.kind.value,
        "isDynamic": segment.is_dynamic,
        "isRfm": segment.is_rfm,
        **to_definition_json(segment.definition),
        "schedule": segment.schedule,
    }
    return {name: value for name, value in values.items() if value is not None}


def describe_queued(key: str, job: Job | None) -> str:
    return "" if job is None else f" Its recalculation waits for a server, or for segments recalculate {key}."


def format_time(segment: Segment, zone: str) -> str:
    return "never" if segment.last_calculated is None else format_minute(segment.last_calculated, zone)


def build_document(segment: Segment) -> dict[str, object]:
    return {
        "key": segment.key,
        "name": segment.name,
        "description": segment.description,
        "kind": segment.kind.value,
        "is_dynamic": segment.is_dynamic,
        "is_rfm": segment.is_rfm,
        "schedule": segment.schedule,
        "version": segment.version,
        "member_count": segment.member_count,
        "last_calculated": format_second(segment.last_calculated),
    }


def list_lines(segment: Segment, business: Business) -> list[tuple[str, str]]:
    rules, calculated = segment.definition.rules, format_time(segment, business.time_zone)
    if segment.last_calculated is not None:
        calculated += f" ({business.time_zone})"
    lines = [
        ("key", segment.key),
        ("name", segment.name),
        ("description", segment.description),
        ("kind", segment.kind.value),
        ("dynamic", "yes" if segment.is_dynamic else "no"),
        ("RFM", "yes" if segment.is_rfm else "no"),
        ("definition", describe_definition(segment.definition, business.currency)),
        ("rules", None if rules is None else json.dumps(rules, ensure_ascii=False)),
        ("schedule", segment.schedule),
        ("version", str(segment.version)),
        ("members", f"{segment.member_count:,}"),
        ("calculated", calculated if segment.kind is SegmentKind.AUTOMATIC else None),
    ]
    return [(name, value) for name, value in lines if value is not None]


def find_planned(segment: Segment) -> datetime | None:
    # That of a manual one is for its nightly snapshot, which is no run.
    return segment.next_run_at if segment.kind is SegmentKind.AUTOMATIC else None


def build_segment_document(segment: Segment, job: Job | None) -> dict[str, object]:
    return {
        "key": segment.key,
        "kind": segment.kind.value,
        "member_count": segment.member_count,
        "last_calculated": format_second(segment.last_calculated),
        "next_run_at": format_second(find_planned(segment)),
        "newest_run": None if job is None else build_run_document(job),
    }


def build_run_document(job: Job) -> dict[str, object]:
    error = None if job.error_code is None else {"code": job.error_code, "message": job.error_message}
    instants = {"created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at}
    counts = {"evaluated": job.evaluated, "entered": job.entered, "left": job.left}
    return {
        "status": job.status.value,
        **{name: format_second(at) for name, at in instants.items()},
        **counts,
        "error": error,
    }
