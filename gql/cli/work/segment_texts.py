"""A segment as the command line shows it: in lines, as JSON, and as the file that it can be made of again."""

import json

from domain.jobs.model import Job
from domain.model import Business
from domain.segments.model import Segment, SegmentKind
from domain.segments.segments import describe_definition, to_definition_json
from gql.cli.output import format_minute, format_second


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
