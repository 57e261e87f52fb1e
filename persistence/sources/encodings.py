"""In which encoding a text file is written. A byte-order mark says it, and so do the zero bytes of UTF-16 and UTF-32;
UTF-8 is known by its form. Whatever else it may be is told with how it would read, and never taken without being
said."""

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from domain.errors import InvalidInput, Sentence

UTF8 = "utf-8"
CODECS = {
    UTF8: UTF8,
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "utf-32": "utf-32",
    "utf-32-le": "utf-32-le",
    "utf-32-be": "utf-32-be",
    "windows-1252": "cp1252",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "iso-8859-2": "iso8859-2",
    "iso-8859-5": "iso8859-5",
    "iso-8859-7": "iso8859-7",
    "iso-8859-9": "iso8859-9",
    "iso-8859-15": "iso8859-15",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "macintosh": "mac-roman",
    "ibm437": "cp437",
    "ibm850": "cp850",
    "ibm852": "cp852",
    "ibm866": "cp866",
    "windows-874": "cp874",
}
"""By the names that browsers use, what reads them: where one is widened in practice, the wider one."""
WIDER = {
    "ascii": UTF8,
    "utf-8-sig": UTF8,
    "iso8859-1": "windows-1252",
    "shift_jis": "shift_jis",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5",
    "euc_kr": "euc-kr",
    "tis-620": "windows-874",
}
DETECTED = (
    *("windows-1252", "windows-1250", "windows-1251", "shift_jis", "gb18030", "big5", "euc-kr", "euc-jp"),
    *("windows-1253", "windows-1256", "windows-1255", "windows-874", "koi8-r", "macintosh", "ibm850"),
)
"""What bytes that are not UTF-8 are compared with, the more usual first."""
TOLD = 5
"""Encodings that a refusal names."""
MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""That of UTF-32 begins with that of UTF-16."""
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
ZEROS = 0.1
"""The share of zero bytes from which on a text may be UTF-16: delimiters and digits alone make as many."""
CONTROL = re.compile("[\0-\x08\x0e-\x1f\x7f\ufffe\uffff]")
BINARY = re.compile(rb"[\0-\x08\x0e-\x19\x1c-\x1f]")
WORD = re.compile(r"[^\s,;|\"']*[^\0-\x7f][^\s,;|\"']*")
LINE = re.compile(rb"[^\r\n]+")
HEAD = 4096
COMPARED = 1 << 16
"""Bytes of the doubtful lines that are compared."""
SHOWN = 20


class Candidates(dict[str, str]):
    """Encodings that a file may be in, the likeliest first, each with a word as it would read then."""

    def __str__(self) -> str:
        return " or ".join(f"{encoding} ('{word}')" for encoding, word in self.items())


def read_candidates(error: InvalidInput) -> Candidates:
    """Those that the refusal names; none where it is another refusal."""
    values = error.message.values if isinstance(error.message, Sentence) else ()
    return next((one for one in values if isinstance(one, Candidates)), Candidates())


def find_encoding(told: str | None, samples: Sequence[bytes], name: str) -> tuple[str, list[str]]:
    """The encoding of the file of which these are pieces, its beginning and others of whole lines, and what is to be
    said of it; InvalidInput where it has to be told."""
    head = samples[0]
    known = None if told is None else find_name(told)
    marked = next((encoding for mark, encoding in MARKS if head.startswith(mark)), None)
    if marked is not None:
        if known is not None and not known.startswith(marked):
            return marked, [f"{name} begins with the mark of {marked.upper()} and was read so, not as {known}."]
        return marked, [] if marked == UTF8 or known else [f"Read as {marked.upper()}."]
    wide = _find_wide(head)
    if known in ("utf-16", "utf-32"):
        # Without a mark the order of its bytes is to be found.
        return (wide if wide is not None and wide.startswith(known) else f"{known}-le"), []
    if known is not None:
        odd = known != UTF8 and wide is None and not head.isascii() and _is_utf8(head.rpartition(b"\n")[0] or head)
        says = f"{name} would be sound UTF-8; it was read as {known}, as was said."
        return known, [says] if odd else []
    if wide is not None:
        return wide, [f"Read as {wide.upper().removesuffix('-LE').removesuffix('-BE')} without a mark."]
    doubtful = [sample for sample in samples if not sample.isascii()]
    lines = [line for sample in doubtful for line in LINE.findall(sample) if not line.isascii()]
    bad = [line for line in lines if not _is_utf8(line)]
    if 2 * len(bad) <= len(lines):
        return UTF8, []
    if BINARY.search(head[:HEAD]):
        raise InvalidInput(f"{name} is not a text file; give a CSV file.")
    raise _build_refusal(bad, name)


def find_name(told: str) -> str:
    """The encoding as it is called here; InvalidInput lists those there are."""
    name = told.strip().lower()
    if name in CODECS:
        return name
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError, UnicodeError):
        codec = ""
    if codec in WIDER:
        return WIDER[codec]
    found = next((one for one, reads in CODECS.items() if codec and codecs.lookup(reads).name == codec), None)
    if found is None:
        message = Sentence("{encoding} must be one of: {}, not {}", ", ".join(CODECS), told[:40])
        raise InvalidInput(message, ("encoding",))
    return found


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_wide(head: bytes) -> str | None:
    """The encoding of two or four bytes a character that the beginning is in, None where it is in none."""
    head = head[:COMPARED]
    if head.count(0) < ZEROS * len(head) or len(head) < 4:
        return None
    fitting: list[tuple[int, str]] = []
    for encoding in WIDE:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        if text and not CONTROL.search(text):
            fitting.append((sum(1 for one in text if one < "\x80"), encoding))
    return max(fitting)[1] if fitting else None


def _build_refusal(lines: Sequence[bytes], name: str) -> InvalidInput:
    may = Candidates()
    for encoding in islice(_list_likely(b"\n".join(lines)[:COMPARED]), TOLD):
        word = WORD.search(lines[0].decode(CODECS[encoding], "replace"))
        may[encoding] = word.group()[:SHOWN] if word else ""
    if not may:
        return InvalidInput(Sentence("{} is not UTF-8. Give its {encoding}, or save it as UTF-8.", name), ("encoding",))
    template = "{} is not UTF-8; it may be {}. Give {encoding} {}, or save it as UTF-8."
    return InvalidInput(Sentence(template, name, may, next(iter(may))), ("encoding",))


def _list_likely(text: bytes) -> Iterator[str]:
    """The encodings that the text may be in, the likeliest first."""
    # It is needed for a refusal alone.
    from charset_normalizer import from_bytes

    names = {codecs.lookup(CODECS[name]).name.replace("-", "_"): name for name in DETECTED}
    chaos: dict[str, float] = {}
    for match in from_bytes(text, cp_isolation=list(names), threshold=0.5, enable_fallback=False):
        for codec in (match.encoding, *match.could_be_from_charset):
            # What differs by less is no likelier, and then the more usual comes first.
            chaos.setdefault(codec, round(match.chaos, 1))
    yield from (names[codec] for codec in sorted(names, key=lambda one: chaos.get(one, 1.0)) if codec in chaos)


class RecodedStream:
    """A stream of another encoding as UTF-8; what cannot be read becomes a byte that UTF-8 has not."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder(CODECS[encoding])("replace")
        self.ended = False

    def read(self, size: int) -> bytes:
        """About as many bytes, none at the end."""
        text = ""
        while not text and not self.ended:
            data = self.stream.read(size)
            self.ended = not data
            text = self.decoder.decode(data, self.ended)
        return text.encode("utf-8", "replace").replace(b"\xef\xbf\xbd", b"\xff")


def read_samples(stream: BinaryIO, size: int, faults: tuple[type[Exception], ...]) -> bytes:
    """The beginning of the stream, as far as it can be read."""
    held = io.BytesIO()
    try:
        while held.tell() < size and (data := stream.read(min(size - held.tell(), COMPARED))):
            held.write(data)
    except faults:
        pass
    return held.getvalue()
