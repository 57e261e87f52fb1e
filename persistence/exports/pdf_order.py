"""The order of a line's characters by the Unicode bidirectional algorithm. The resolution of types and levels is
python-bidi's; the rule for paired brackets (N0), which it does not have, stands here, without which the brackets of
"שם (VIP) 12" would close on the wrong side. Explicit embeddings do not occur: they are taken out of the text before."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from bidi import algorithm
from bidi.mirror import MIRRORED

NEUTRAL = frozenset({"ON", "WS", "B", "S"})
DEEPEST = 63
"""Brackets that may be open at once, as the rule has it."""


def reads_leftwards(text: str) -> bool:
    """Whether the first letter that has a direction runs from right to left."""
    return bool(algorithm.get_base_level(text))


def embedding_levels(text: str, rtl: bool) -> list[int]:
    """The level of each character; odd ones run from right to left. Joiners, which the algorithm leaves out, take the
    level of the character before them."""
    visible = "".join(letter for letter in text if unicodedata.bidirectional(letter) != "BN")
    storage = algorithm.get_empty_storage()
    storage["base_level"] = int(rtl)
    storage["base_dir"] = "R" if rtl else "L"
    algorithm.get_embedding_levels(visible, storage)
    for entry in storage["chars"]:
        # Characters younger than this Python's tables have no class; the algorithm fails on them.
        entry["type"] = entry["orig"] = entry["type"] or "L"
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    _resolve_brackets(storage["chars"], "R" if rtl else "L")
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    found = iter([int(entry["level"]) for entry in storage["chars"]])
    levels: list[int] = []
    for letter in text:
        left_out = unicodedata.bidirectional(letter) == "BN"
        levels.append((levels[-1] if levels else int(rtl)) if left_out else next(found))
    return levels


def as_drawn(letter: str) -> str:
    """A bracket as it looks in text that runs from right to left; readers of PDF turn it back. All else as it is."""
    return MIRRORED.get(letter, letter) if unicodedata.category(letter[:1] or " ") in ("Ps", "Pe") else letter


def visual_order(levels: Sequence[int]) -> list[int]:
    """Places from left to right: from the highest level down to the lowest odd one, every stretch of it turns."""
    order = list(range(len(levels)))
    lowest_odd = min((level for level in levels if level % 2), default=1)
    for level in range(max(levels, default=0), lowest_odd - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return order


def _resolve_brackets(letters: list[dict[str, Any]], base: str) -> None:
    """Both brackets of a pair get one direction: that of the line where something inside has it, else that of what is
    inside and before it."""
    for opening, closing in _bracket_pairs(letters):
        inside = {_direction(entry["type"]) for entry in letters[opening + 1 : closing]} - {None}
        if not inside:
            continue
        if base in inside:
            direction = base
        else:
            before = (_direction(entry["type"]) for entry in reversed(letters[:opening]))
            direction = next((found for found in before if found is not None), base)
        letters[opening]["type"] = letters[closing]["type"] = direction


def _bracket_pairs(letters: list[dict[str, Any]]) -> list[tuple[int, int]]:
    opened: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for place, entry in enumerate(letters):
        letter = entry["ch"]
        if entry["type"] != "ON" or letter not in MIRRORED:
            continue
        category = unicodedata.category(letter)
        if category == "Ps":
            if len(opened) == DEEPEST:
                break
            opened.append((MIRRORED[letter], place))
        elif category == "Pe":
            match = next((depth for depth in range(len(opened) - 1, -1, -1) if opened[depth][0] == letter), None)
            if match is not None:
                pairs.append((opened[match][1], place))
                del opened[match:]
    return sorted(pairs)


def _direction(kind: str) -> str | None:
    if kind in NEUTRAL:
        return None
    return "L" if kind == "L" else "R"
