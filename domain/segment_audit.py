"""What the audit trail keeps of a segment: old and new value of each field that changed, under the names of the API."""

import re

from domain.segment_model import Definition, Segment

FIELDS = {
    "key": "key",
    "name": "name",
    "description": "description",
    "kind": "kind",
    "is_dynamic": "isDynamic",
    "is_rfm": "isRfm",
    "schedule": "schedule",
}


def changes(old: Segment, new: Segment) -> dict[str, dict[str, object]]:
    """Each field whose value is another one now."""
    before, after = _values(old), _values(new)
    same = new.definition.same(old.definition)
    differing = [name for name in after if before[name] != after[name]]
    if not same and not {"rules", "criteria", "rfmConfig"} & set(differing):
        # Only the writing of the rules differs, such as 1 and 1.0.
        differing.append("rules")
    return {name: {"old": before[name], "new": after[name]} for name in differing}


def stated(segment: Segment, *, gone: bool = False) -> dict[str, dict[str, object]]:
    """Every field that has a value, as it came or, where the segment is gone, as it went."""
    held = {name: value for name, value in _values(segment).items() if value is not None}
    if gone:
        return {name: {"old": value, "new": None} for name, value in held.items()}
    return {name: {"old": None, "new": value} for name, value in held.items()}


def definition_json(definition: Definition) -> dict[str, object]:
    """The three parts of a definition as JSON, under the names of the API."""
    box, criteria = definition.rfm_config, definition.criteria
    return {
        "rules": definition.rules,
        "criteria": None if criteria is None else {_said(name): held for name, held in criteria.as_json().items()},
        "rfmConfig": None if box is None else {"minScore": box.min_score, "maxScore": box.max_score},
    }


def _values(segment: Segment) -> dict[str, object]:
    own = {said: getattr(segment, name) for name, said in FIELDS.items()}
    return {**own, **definition_json(segment.definition)}


def _said(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)
