"""JSON, exactly in the documented form. Amounts are numbers with all their digits: written from Decimal, never by way
of a float."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring
from operator import add
from typing import Any

from domain.calendar import format_instant
from domain.reports.document import DocumentCell, DocumentGroup, ReportDocument, Totals
from domain.segments.member_export import CellKind, MemberExport, WriteAll, choose_text, write_each
from domain.store import MemberPage


def render_report_json(document: ReportDocument) -> bytes:
    """The documented response."""
    return encode_value(build_report_data(document)).encode()


def build_report_data(document: ReportDocument) -> dict[str, Any]:
    insights, previous = document.insights, document.previous
    other, cells = document.unclassified, document.cells
    return {
        "success": True,
        "data": {
            "method": document.method.value.lower(),
            "insights": {
                "highest_revenue_segment": insights.highest_revenue,
                "largest_segment": insights.largest,
                "fastest_growing_segment": insights.fastest_growing,
                "needs_attention": insights.needs_attention,
            },
            "customer_count": document.totals.customers,
            "total_revenue": document.totals.revenue,
            "segments": [_build_segment(group) for group in document.groups],
            "unclassified": None if other is None else _build_segment(other),
            # What is above is documented since long, and its objects stay as they are.
            "fastest_growing_change": insights.fastest_growing_change,
            "sentences": list(document.sentences),
            "order_count": document.totals.orders,
            "average_order_value": document.totals.average_order,
            "previous": None
            if previous is None
            else {
                "start_date": str(document.previous_first),
                "end_date": str(document.previous_last),
                **_build_totals(previous),
            },
            "dimensions": [_build_dimension(document, name, groups) for name, groups in document.dimensions.items()],
            "cells": None if cells is None else [_build_cell(cell) for cell in cells],
        },
    }


def _build_totals(totals: Totals) -> dict[str, Any]:
    return {
        "customer_count": totals.customers,
        "order_count": totals.orders,
        "total_revenue": totals.revenue,
        "average_order_value": totals.average_order,
    }


def _build_dimension(document: ReportDocument, name: str, groups: Sequence[DocumentGroup]) -> dict[str, Any]:
    """What all customers come to, and each group's part of it."""
    return {
        "dimension": name,
        **_build_totals(document.totals),
        "segments": [
            {
                "segment_name": group.name,
                "segment_code": group.code,
                "customer_count": group.customers,
                "customer_share": group.customer_share,
                "order_count": group.orders,
                "total_revenue": group.revenue,
                "revenue_share": group.revenue_share,
                "previous_customer_count": group.previous_customers,
                "previous_order_count": group.previous_orders,
                "previous_total_revenue": group.previous_revenue,
            }
            for group in groups
        ],
    }


def _build_cell(cell: DocumentCell) -> dict[str, Any]:
    return {
        "recency": cell.recency,
        "frequency": cell.frequency,
        "monetary": cell.monetary,
        "segment_name": cell.name,
        "customer_count": cell.customers,
        "order_count": cell.orders,
        "total_revenue": cell.revenue,
    }


def _build_segment(group: DocumentGroup) -> dict[str, Any]:
    recency, frequency, monetary = group.scores or (None, None, None)
    return {
        "segment_name": group.name,
        "segment_code": group.code,
        "description": group.description,
        "customer_count": group.customers,
        "total_revenue": group.revenue,
        "average_order_value": group.average_order,
        "recency_score": recency,
        "frequency_score": frequency,
        "monetary_score": monetary,
        "characteristics": {
            "avg_days_since_last_purchase": group.average_age,
            "avg_purchase_frequency": group.average_frequency,
            "avg_total_spend": group.average_spend,
        },
        "recommended_actions": list(group.actions),
    }


async def write_members_json(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """One object with the segment and its members, page by page."""
    head = {"segment": export.segment.name, "segment_key": export.segment.key, "as_of": export.as_of}
    yield f'{encode_value(head)[:-1]},"members":['.encode()
    comma = ""
    async for page in pages:
        yield comma.encode() + await asyncio.to_thread(_encode_members, export, page)
        comma = ","
    yield b"\n]}\n"


def _encode_members(export: MemberExport, page: MemberPage) -> bytes:
    """The objects of a page, a line each, with commas between."""
    columns = [
        write_each(cells, _choose_encoding(kind, export.decimals), "null")
        for kind, cells in zip(export.kinds, page, strict=True)
    ]
    named = [f"{encode_basestring(name)}:" for name in export.columns]
    rows = [",".join(map(add, named, row)) for row in zip(*columns, strict=True)]
    return ("\n{" + "},\n{".join(rows) + "}").encode()


def _choose_encoding(kind: CellKind, decimals: int) -> WriteAll[str]:
    """What is no number and neither true nor false stands in quotes."""
    if kind is CellKind.TEXT:
        return lambda texts: list(map(encode_basestring, texts))
    write = choose_text(kind, decimals)
    return (lambda instants: [f'"{text}"' for text in write(instants)]) if kind is CellKind.INSTANT else write


def encode_value(value: object, indent: int | None = None, level: int = 0) -> str:
    """Strict JSON text; with `indent` blanks a level for people."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return f'"{format_instant(value)}"'
    if isinstance(value, dict):
        items = [
            f"{json.dumps(key)}:{' ' if indent else ''}{encode_value(item, indent, level + 1)}"
            for key, item in value.items()
        ]
        return _bracket_items("{}", items, indent, level)
    if isinstance(value, list | tuple):
        return _bracket_items("[]", [encode_value(item, indent, level + 1) for item in value], indent, level)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _bracket_items(brackets: str, items: list[str], indent: int | None, level: int) -> str:
    if not items or indent is None:
        return f"{brackets[0]}{','.join(items)}{brackets[1]}"
    inner, outer = "\n" + " " * (indent * (level + 1)), "\n" + " " * (indent * level)
    return f"{brackets[0]}{inner}{f',{inner}'.join(items)}{outer}{brackets[1]}"
