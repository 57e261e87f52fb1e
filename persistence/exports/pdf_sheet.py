"""The pages of a PDF report as something to write on: a cursor that runs down, lines of shaped text, filled boxes, the
foot of every page. Coordinates are points from the lower left corner; nothing is written outside the margins."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from persistence.exports.pdf_embedding import EmbeddedFont
from persistence.exports.pdf_fonts import Face
from persistence.exports.pdf_text import Glyph, Line, Run, Typesetter

WIDTH, HEIGHT = A4
MARGIN = 42.0
LEFT, RIGHT = MARGIN, WIDTH - MARGIN
TOP, BOTTOM = HEIGHT - 40.0, 50.0
INK = HexColor("#1f2937")
GREY = HexColor("#6b7280")
RULE = HexColor("#d9dde3")
PALE = HexColor("#f4f6f9")
WHITE = HexColor("#ffffff")


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks."""

    size: float
    bold: bool = False
    color: Any = INK

    @property
    def leading(self) -> float:
        """From one line to the next."""
        return self.size * 1.36


@dataclass(slots=True)
class Sheet:
    """Pages in the making. `foot` is what the foot of every page says, `total` how many pages there will be."""

    letters: Typesetter
    title: str
    foot: str
    total: int
    y: float = TOP
    page: int = 1
    _file: BytesIO = field(default_factory=BytesIO)
    _fonts: dict[Face, EmbeddedFont] = field(default_factory=dict)
    canvas: Canvas = field(init=False)

    def __post_init__(self) -> None:
        self.canvas = Canvas(self._file, pagesize=A4, invariant=1, pageCompression=1, lang="en")
        self.canvas.setTitle(self.title)
        self.canvas.setSubject("Customer segmentation")
        self.canvas.setCreator("segments-server")

    def finished(self) -> bytes:
        """The document."""
        self._foot()
        self.canvas.showPage()
        self.canvas.save()
        return self._file.getvalue()

    def room(self, height: float) -> bool:
        """Go on to a new page unless there is room for `height` points; whether it did."""
        if self.y - height >= BOTTOM or self.y == TOP:
            return False
        self._foot()
        self.canvas.showPage()
        self.page += 1
        self.y = TOP
        return True

    def write(
        self, x: float, y: float, text: str, style: Style, *, width: float | None = None, align: str = "left"
    ) -> float:
        """One line with its baseline at y, shortened to `width`; returns how wide it is. `x` is its left end, its
        right end or its middle as `align` says."""
        if width is None:
            line = self.letters.line(text, style.bold)
        else:
            line = self.letters.fitted(text, width / style.size, style.bold)
        self.put(x, y, line, style, width=width, align=align)
        return line.width * style.size

    def put(
        self, x: float, y: float, line: Line, style: Style, *, width: float | None = None, align: str = "left"
    ) -> None:
        """A line that is set already; one that is too wide for `width` becomes smaller."""
        size = style.size
        if width is not None and line.width * size > width:
            size = width / line.width
        start = x - line.width * size * {"left": 0.0, "right": 1.0, "middle": 0.5}[align]
        color = style.color
        for run in line.runs:
            if run.glyphs:
                self.canvas.addLiteral(self._operators(run, start, y, size, color))
            start += run.width * size

    def put_at_start(self, x: float, y: float, line: Line, style: Style, width: float) -> None:
        """A line in a column, at the side where its script begins."""
        if line.rtl:
            self.put(x + width, y, line, style, width=width, align="right")
        else:
            self.put(x, y, line, style, width=width)

    def wrap(self, text: str, style: Style, width: float, most: int = 30) -> list[Line]:
        """The lines of a paragraph; beyond `most` the last one ends in an ellipsis."""
        lines = self.letters.wrapped(text, width / style.size, style.bold)
        if len(lines) > most:
            lines = [*lines[: most - 1], self.letters.line("…")]
        return lines

    def paragraph(
        self, text: str, style: Style, *, x: float = LEFT, width: float = RIGHT - LEFT, most: int = 30
    ) -> None:
        """A wrapped paragraph at the cursor, over pages where it must."""
        for line in self.wrap(text, style, width, most):
            self.room(style.leading)
            self.y -= style.leading
            self.put_at_start(x, self.y + style.size * 0.3, line, style, width)

    def box(self, x: float, y: float, width: float, height: float, color: Any, radius: float = 0.0) -> None:
        """A filled box with its lower left corner at x, y."""
        self.canvas.setFillColor(color)
        if radius and width > 2 * radius and height > 2 * radius:
            self.canvas.roundRect(x, y, width, height, radius, stroke=0, fill=1)
        else:
            self.canvas.rect(x, y, width, height, stroke=0, fill=1)

    def rule(self, y: float, left: float = LEFT, right: float = RIGHT, color: Any = RULE, thick: float = 0.6) -> None:
        """A horizontal line."""
        self.canvas.setStrokeColor(color)
        self.canvas.setLineWidth(thick)
        self.canvas.line(left, y, right, y)

    def heading(self, text: str, needs: float = 60.0) -> None:
        """The title of a section, on a page where what follows has room to begin."""
        if not self.room(30 + needs):
            self.y -= 4
        self.y -= 22
        self.write(LEFT, self.y + 4, text, Style(11.5, bold=True), width=RIGHT - LEFT)
        self.y -= 5

    def _foot(self) -> None:
        style = Style(7, color=GREY)
        pages = f"Page {self.page} of {self.total}"
        self.rule(36)
        taken = self.write(RIGHT, 24, pages, style, align="right")
        self.write(LEFT, 24, self.foot, style, width=RIGHT - LEFT - taken - 20)

    def _operators(self, run: Run, x: float, y: float, size: float, color: Any) -> str:
        font = self._fonts.get(run.face)
        if font is None:
            font = self._fonts[run.face] = EmbeddedFont(run.face, len(self._fonts) + 1)
            document = self.canvas._doc
            document.fontMapping[font.resource] = f"/{font.resource}"
            document.delayedFonts.append(font)
        parts = [
            f"BT {color.red:.3f} {color.green:.3f} {color.blue:.3f} rg",
            f"/{font.resource} {size:.3f} Tf 1 0 0 1 {x:.3f} {y:.3f} Tm",
        ]
        for cluster in _clusters(run.glyphs):
            shown = " ".join(_shown(font, glyph, size) for glyph in cluster)
            if len(cluster) == 1 and len(cluster[0].text) == 1:
                parts.append(shown)
            else:
                said = "".join(glyph.text for glyph in cluster).encode("utf-16-be").hex().upper()
                parts.append(f"/Span <</ActualText <FEFF{said}>>> BDC {shown} EMC")
        return " ".join([*parts, "ET"])


def _clusters(glyphs: tuple[Glyph, ...]) -> list[list[Glyph]]:
    """Glyphs that stand for one text together."""
    found: list[list[Glyph]] = []
    for glyph in glyphs:
        if glyph.text or not found:
            found.append([glyph])
        else:
            found[-1].append(glyph)
    return found


def _shown(font: EmbeddedFont, glyph: Glyph, size: float) -> str:
    """The operator that shows a glyph where shaping put it; numbers between are thousandths of an em, to the left."""
    units = font.face.units
    before = f"{-glyph.dx * 1000 / units:.0f} " if glyph.dx else ""
    kept = glyph.advance - glyph.dx - font.advance(glyph.number)
    after = f" {-kept * 1000 / units:.0f}" if kept else ""
    shown = f"[{before}<{font.code(glyph.number, glyph.text):04X}>{after}] TJ"
    return f"{glyph.dy * size / units:.3f} Ts {shown} 0 Ts" if glyph.dy else shown
