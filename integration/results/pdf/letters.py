"""Letters for every name: fonts of the system, and an honest word where they have no letter.

ReportLab lays out the report, because it is Python alone: WeasyPrint, the other library that is kept, needs Pango and
its company on every machine. The price is that it neither joins nor turns letters: Arabic, Hebrew, Thai and Indic text
would come out wrong, and a name must never. Such text is not printed; the report says so, and where to read it.

Debian's `fonts-dejavu-core` has Latin, Greek and Cyrillic, `fonts-droid-fallback` Japanese and Chinese (characters
that both share in their Chinese shape), `fonts-nanum`, where it is installed, Korean. Without them ReportLab's own
font has Latin.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

_SYSTEM: Final = Path("/usr/share/fonts/truetype")
FONTS: Final = (
    ("DejaVu", _SYSTEM / "dejavu/DejaVuSans.ttf"),
    ("Vera", Path(reportlab.__file__).parent / "fonts/Vera.ttf"),
    ("Droid", _SYSTEM / "droid/DroidSansFallbackFull.ttf"),
    ("Nanum", _SYSTEM / "nanum/NanumGothic.ttf"),
)
"""In the order in which they are asked for a letter."""
_BOLD: Final = (
    ("DejaVu-Bold", _SYSTEM / "dejavu/DejaVuSans-Bold.ttf"),
    ("Vera-Bold", Path(reportlab.__file__).parent / "fonts/VeraBd.ttf"),
)
SCRIPTS: Final = {"Latin": "ü", "Greek": "λ", "Cyrillic": "ж", "Japanese": "や", "Chinese": "东"}
"""What a name may be written in that every installation should print, each with a letter of it."""
_MOST_NAMED: Final = 8


class Letters:
    """The fonts that are installed.

    Attributes
    ----------
    plain, bold
        Names of the fonts for ordinary text.
    """

    def __init__(self) -> None:
        fonts = [_registered(name, path) for name, path in FONTS if path.is_file()]
        self._glyphs = [(font.fontName, frozenset(font.face.charToGlyph)) for font in fonts]
        self.plain: str = self._glyphs[0][0]
        self.bold: str = next(_registered(name, path).fontName for name, path in _BOLD if path.is_file())

    def markup(self, text: str, *, found_in: str = "") -> str:
        """Text as ReportLab's markup, each letter in a font that has it.

        Parameters
        ----------
        text
            Any; line breaks are kept.
        found_in
            Keyword of the DICOM attribute that has it, told where it cannot be shown.

        Returns
        -------
        str
            The text; or, where one letter cannot be shown rightly, words that say so instead of all of it.
        """
        plain = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\t", " ")
        missing = self.missing(plain)
        if missing:
            named = " ".join(f"U+{ord(letter):04X}" for letter in missing[:_MOST_NAMED])
            more = " …" if len(missing) > _MOST_NAMED else ""
            where = f"; read it in {found_in}" if found_in else ""
            return f"<i>[not printed: this report has no letters for {named}{more}{where}]</i>"
        parts = []
        for font, run in groupby(plain, key=self._font_of):
            words = escape("".join(run)).replace("\n", "<br/>")
            parts.append(words if font == self.plain else f'<font name="{font}">{words}</font>')
        return "".join(parts)

    def missing(self, text: str) -> list[str]:
        """The letters that cannot be shown, or not rightly, each once."""
        return [letter for letter in dict.fromkeys(text) if not letter.isspace() and self._font_of(letter) is None]

    @property
    def lacking(self) -> tuple[str, ...]:
        """Those of `SCRIPTS` that no installed font has."""
        return tuple(script for script, letter in SCRIPTS.items() if self.missing(letter))

    def _font_of(self, letter: str) -> str | None:
        if letter.isspace():
            return self.plain
        turned = unicodedata.bidirectional(letter) in ("R", "AL", "AN")
        joined = unicodedata.category(letter) in ("Mn", "Mc", "Me", "Cc", "Cf", "Cs")
        if turned or joined:
            return None
        return next((name for name, glyphs in self._glyphs if ord(letter) in glyphs), None)


@cache
def letters() -> Letters:
    """Those of this process: reading the fonts takes a moment."""
    return Letters()


def _registered(name: str, path: Path) -> TTFont:
    font = TTFont(name, str(path))
    pdfmetrics.registerFont(font)
    return font
