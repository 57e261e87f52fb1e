"""A font inside a PDF: the outlines of the glyphs in use, as a small TrueType font of its own. Each pair of glyph and
text is a character of that font, so that what is copied or searched is the text that was shaped. It reads outlines
through the shaping engine, and so takes OpenType fonts with PostScript outlines and collections, which reportlab's
own embedding refuses."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from reportlab.pdfbase import pdfdoc

from persistence.exports.pdf_fonts import Face

BOX = -1
"""Glyph that stands for a character which no font has."""
BOX_WIDTH = 0.6
LARGEST_CODE = 0xFFFF


@dataclass(slots=True, eq=False)
class EmbeddedFont:
    """A face as one document uses it; reportlab asks it for its objects when the document is closed."""

    face: Face
    number: int
    codes: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        """Name of the font in the pages' streams."""
        return f"T{self.number}"

    def code(self, glyph: int, text: str) -> int:
        """Character code of a glyph that stands for a text."""
        return self.codes.setdefault((glyph, text), len(self.codes) + 1)

    def advance(self, glyph: int) -> int:
        """Width of a glyph in font units."""
        if glyph == BOX:
            return round(BOX_WIDTH * self.face.units)
        return int(self.face.font.get_glyph_h_advance(glyph))

    def addObjects(self, document: Any) -> None:
        """Put the font into the document; the name is the one that reportlab calls."""
        tag = "".join(chr(ord("A") + self.number // 26**place % 26) for place in range(6))
        name = f"{tag}+{self.face.name}"
        per_mille = 1000 / self.face.units
        measures = (round(self.face.ascent * per_mille), round(self.face.descent * per_mille))
        data = self._program(name)
        program = pdfdoc.PDFStream(dictionary=pdfdoc.PDFDictionary({"Length1": len(data)}), content=data)
        program.filters = [pdfdoc.PDFZCompress]
        meanings = pdfdoc.PDFStream(content=self._meanings())
        meanings.filters = [pdfdoc.PDFZCompress]
        descriptor = pdfdoc.PDFDictionary(
            {
                "Type": pdfdoc.PDFName("FontDescriptor"),
                "FontName": pdfdoc.PDFName(name),
                "Flags": 4,
                "FontBBox": pdfdoc.PDFArray([-1000, measures[1], 2000, measures[0]]),
                "ItalicAngle": 0,
                "Ascent": measures[0],
                "Descent": measures[1],
                "CapHeight": measures[0],
                "StemV": 80,
                "FontFile2": document.Reference(program, f"fontFile:{name}"),
            }
        )
        widths = [round(self.advance(glyph) * per_mille) for glyph, _text in self.codes]
        descendant = pdfdoc.PDFDictionary(
            {
                "Type": pdfdoc.PDFName("Font"),
                "Subtype": pdfdoc.PDFName("CIDFontType2"),
                "BaseFont": pdfdoc.PDFName(name),
                "CIDSystemInfo": pdfdoc.PDFDictionary(
                    {"Registry": pdfdoc.PDFString("Adobe"), "Ordering": pdfdoc.PDFString("Identity"), "Supplement": 0}
                ),
                "FontDescriptor": document.Reference(descriptor, f"fontDescriptor:{name}"),
                "W": pdfdoc.PDFArray([1, pdfdoc.PDFArray(widths)]),
                "CIDToGIDMap": pdfdoc.PDFName("Identity"),
            }
        )
        font = pdfdoc.PDFDictionary(
            {
                "Type": pdfdoc.PDFName("Font"),
                "Subtype": pdfdoc.PDFName("Type0"),
                "BaseFont": pdfdoc.PDFName(name),
                "Encoding": pdfdoc.PDFName("Identity-H"),
                "DescendantFonts": pdfdoc.PDFArray([document.Reference(descendant, f"descendant:{name}")]),
                "ToUnicode": document.Reference(meanings, f"toUnicode:{name}"),
            }
        )
        document.idToObject["BasicFonts"].dict[self.resource] = document.Reference(font, f"font:{name}")

    def _program(self, name: str) -> bytes:
        names = [".notdef", *(f"g{code}" for code in self.codes.values())]
        empty = TTGlyphPen(None).glyph()
        outlines = {".notdef": empty}
        for (glyph, _text), code in self.codes.items():
            pen = TTGlyphPen(None)
            if glyph == BOX:
                _draw_box(pen, self.face.units)
            else:
                # Curves of the third degree become ones of the second, at most a thousandth of the em apart.
                self.face.font.draw_glyph_with_pen(glyph, Cu2QuPen(pen, self.face.units / 1000))
            outlines[f"g{code}"] = pen.glyph()
        builder = FontBuilder(self.face.units, isTTF=True)
        builder.font.recalcTimestamp = False
        builder.setupHead(unitsPerEm=self.face.units, created=0, modified=0)
        builder.setupGlyphOrder(names)
        builder.setupGlyf(outlines)
        table = builder.font["glyf"]
        advances = {f"g{code}": self.advance(glyph) for (glyph, _text), code in self.codes.items()}
        metrics = {each: (advances.get(each, 0), getattr(table[each], "xMin", 0)) for each in names}
        builder.setupHorizontalMetrics(metrics)
        builder.setupHorizontalHeader(ascent=self.face.ascent, descent=self.face.descent)
        builder.setupMaxp()
        file = BytesIO()
        builder.font.save(file)
        return file.getvalue()

    def _meanings(self) -> bytes:
        entries = [(code, text) for (_glyph, text), code in self.codes.items() if text]
        blocks = []
        for start in range(0, len(entries), 100):
            part = entries[start : start + 100]
            lines = (f"<{code:04X}> <{text.encode('utf-16-be', 'surrogatepass').hex().upper()}>" for code, text in part)
            blocks.append(f"{len(part)} beginbfchar\n" + "\n".join(lines) + "\nendbfchar\n")
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
            f"{''.join(blocks)}endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        ).encode("ascii")


def _draw_box(pen: Any, units: int) -> None:
    width, height, line = BOX_WIDTH * units, 0.72 * units, 0.05 * units
    left, right = 0.06 * units, width - 0.06 * units
    outer = [(left, 0), (left, height), (right, height), (right, 0)]
    inner = [(left + line, line), (right - line, line), (right - line, height - line), (left + line, height - line)]
    for corners in (outer, inner):
        whole = [(round(x), round(y)) for x, y in corners]
        pen.moveTo(whole[0])
        for corner in whole[1:]:
            pen.lineTo(corner)
        pen.closePath()
