"""The stored segments that the named groups of an RFM scheme become: one AUTOMATIC segment each, known by its key."""

from domain.classification.rfm import ELEVEN_BY_RECENCY, RfmClass, RfmScheme, groups
from domain.segment_checks import Draft, slug
from domain.segment_model import Definition, SegmentKind

PREFIXES = {RfmScheme.EIGHT_SEGMENT: "rfm", RfmScheme.ELEVEN_SEGMENT: "rfm-eleven"}
SUFFIXES = {RfmScheme.EIGHT_SEGMENT: "RFM", RfmScheme.ELEVEN_SEGMENT: "RFM of eleven"}
SUM = {"+": [{"var": "frequency_score"}, {"var": "monetary_score"}]}
BANDS: tuple[object, ...] = ({">=": [SUM, 8]}, {"<=": [5, SUM, 7]}, {"<": [SUM, 5]})
"""High, mid and low: the mean of frequency and monetary, doubled to stay whole."""


def standard_drafts(scheme: RfmScheme) -> list[Draft]:
    """One segment for each named group of the scheme, in its order, with the group's name."""
    return [_draft(scheme, group) for group in groups(scheme)]


def other_names(draft: Draft, scheme: RfmScheme) -> tuple[str, ...]:
    """Names to fall back on where somebody else's segment has the group's name."""
    return f"{draft.name} ({SUFFIXES[scheme]})", f"{draft.name} ({draft.key})"


def _draft(scheme: RfmScheme, group: RfmClass) -> Draft:
    if scheme is RfmScheme.EIGHT_SEGMENT:
        rules: object = {"==": [{"var": "rfm_segment_name"}, group.name]}
    else:
        rules = _cells(group.name)
    return Draft(
        name=group.name,
        kind=SegmentKind.AUTOMATIC,
        key=f"{PREFIXES[scheme]}-{slug(group.name)}",
        description=group.description,
        definition=Definition(rules),
    )


def _cells(name: str) -> object:
    """The scores of a group of eleven: a range of recency in one band."""
    places = [(recency, names.index(name)) for recency, names in ELEVEN_BY_RECENCY.items() if name in names]
    low, high = min(places)[0], max(places)[0]
    return {"and": [{"<=": [low, {"var": "recency_score"}, high]}, BANDS[places[0][1]]]}
