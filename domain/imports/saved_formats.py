"""Formats of sources that a business keeps by name, beside the presets, which every business has. What is kept is what
was stated, checked as a whole; what a source is read by is decided when it is opened, so that a format that is saved
anew holds for the next reading, also of an upload that waits."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.errors import InvalidInput, NotFound, Sentence
from domain.imports.formats import SourceFormat, check_format_name
from domain.imports.model import SavedFormat
from domain.imports.presets import add_preset, load_presets
from domain.model import Actor, Business
from domain.store import Store

MOST_FORMATS = 100
"""Formats that a business may keep."""
LARGEST_DOCUMENT = 65_536
"""Characters of the JSON of one."""
PLACE = "settings"
"""The input that holds the document; its keys are the same in every face."""


@dataclass(frozen=True, slots=True)
class SourceFormats:
    """What can be done with formats."""

    store: Store

    async def load_all(self, business: Business) -> list[SavedFormat]:
        """The business's own by name, then the presets."""
        async with self.store.read(business) as unit:
            return [*await unit.formats.load_all(), *list_presets()]

    async def find(self, business: Business, name: str) -> SavedFormat:
        """The format or the preset of that name; NotFound lists those there are."""
        found = await self.load_all(business)
        for one in found:
            if one.name == name:
                return one
        raise NotFound(f"There is no format {name[:60]!r}. There are: {', '.join(one.name for one in found)}.")

    async def save(self, business: Business, name: str, document: object, actor: Actor) -> SavedFormat:
        """Keep what the document states, in place of the format of that name where there is one. InvalidInput carries
        every fault, its fields beneath `settings`."""
        check_new_name(name)
        stated = read_document(document).to_document()
        async with self.store.write(business) as unit:
            before = {one.name for one in await unit.formats.load_all()}
            if name not in before and len(before) >= MOST_FORMATS:
                message = f"A business can keep {MOST_FORMATS} formats: delete one that is not needed"
                raise InvalidInput(message, ("name",), "LIMIT_REACHED")
            await unit.formats.save(name, stated, unit.instant)
            await unit.audit(actor, "saveSourceFormat", None, {"name": name, "created": name not in before})
            await unit.mark_done(actor, source_format=("SourceFormat", name))
            return SavedFormat(name, stated, unit.instant)

    async def delete(self, business: Business, name: str, actor: Actor) -> None:
        """Take the format away; InvalidInput where there is none, or the business's files are read by it."""
        async with self.store.write(business) as unit:
            names = [one.name for one in await unit.formats.load_all()]
            if name not in names:
                raise InvalidInput(describe_unknown("name", name, names), ("name",), "NOT_FOUND")
            if SourceFormat().build_on_settings(unit.business.settings).name == name:
                message = f"{name} is what the setting import.format names: change that first"
                raise InvalidInput(message, ("name",), "IN_USE")
            await unit.formats.delete(name)
            await unit.audit(actor, "deleteSourceFormat", None, {"name": name})
            await unit.mark_done(actor, deleted_name=name)


def list_presets() -> list[SavedFormat]:
    """The presets by name, as formats that nobody wrote. Their encodings are left out: a preset's is for a source that
    does not say its own, a format's would be read by even then."""
    usable = [one for one in load_presets().values() if one.refusal is None]
    return [SavedFormat(one.name, replace(one.format, encoding=None).to_document()) for one in usable]


def read_document(document: object) -> SourceFormat:
    """The format that a document states; InvalidInput carries every fault, its fields beneath `settings`, in the keys
    of the document."""
    if not isinstance(document, Mapping):
        raise InvalidInput('settings must be an object such as {"date_format": "%d/%m/%Y"}', (PLACE,))
    try:
        form = SourceFormat.read(document)
        if form.preset is not None:
            check_preset(form)
    except InvalidInput as error:
        raise InvalidInput.of(
            [replace(one, field=(PLACE, *one.field), message=str(one.message)) for one in error.problems]
        ) from error
    stated = form.to_document()
    if not stated:
        raise InvalidInput("settings must say something of the source, such as date_format", (PLACE,), "BLANK")
    if len(json.dumps(stated, ensure_ascii=False)) > LARGEST_DOCUMENT:
        raise InvalidInput(f"settings must be at most {LARGEST_DOCUMENT:,} characters of JSON", (PLACE,), "TOO_LONG")
    return form


def check_preset(form: SourceFormat) -> None:
    """InvalidInput where the preset that the format builds on is none, or says otherwise."""
    known = {one.name: one for one in load_presets().values() if one.refusal is None}
    if form.preset not in known:
        message = Sentence("{preset} must be one of: {}, not {}", ", ".join(known), str(form.preset)[:40])
        raise InvalidInput(message, ("preset",))
    add_preset(form, known[form.preset]).check_agreement()


def read_saved(documents: Mapping[str, Mapping[str, Any]], name: str, called: str) -> SourceFormat:
    """The format of that name among those that are kept; InvalidInput lists them, the name being what is `called` so,
    a template of a sentence."""
    if name not in documents:
        raise InvalidInput(describe_unknown(called, name, documents), ("source_format",))
    return SourceFormat.read(documents[name])


def describe_unknown(called: str, name: str, names: Collection[str]) -> Sentence:
    """That there is no format of that name, and which there are; `called` is a template."""
    template = f"{called} must be the name of a saved format, not {{}}. There are: {{}}."
    if name in load_presets():
        template += " A preset is given by {preset}."
    return Sentence(template, name[:60], ", ".join(names) or "none yet")


def check_new_name(name: str) -> str:
    """A name for a format; InvalidInput where it cannot be one."""
    if check_format_name(name) in load_presets():
        raise InvalidInput(f"name must not be that of a preset, as {name} is", ("name",), "TAKEN")
    return name
