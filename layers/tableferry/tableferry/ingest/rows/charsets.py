"""What a column's character set can hold, and in how many bytes: MySQL's sets by Python's codecs.

A database does not always say that it lost a character: its tis620 cuts those beyond U+FFFF to their last byte, and its
cp932 takes one ideograph for another. Each set was held, character by character, against MySQL 9.7 and MariaDB 10.11,
which agree; what they have and the codec has not is listed, what only the codec has they refuse themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

_LAST_BASIC = "\uffff"


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """A character set: the ``codec`` that writes it, if Python has one, and the characters that it has ``besides``.

    ``beyond`` is whether it has characters beyond U+FFFF.
    """

    codec: str | None = None
    besides: str = ""
    beyond: bool = False
    octets_a_character: int | None = None
    """Where every character takes as many bytes, and for those ``besides``."""

    def lacking(self, text: str) -> str | None:
        """The first character that it certainly lacks; None where there is none, or only the database can say."""
        try:
            text.encode(self.codec or "utf-8")
        except UnicodeEncodeError as error:
            character = text[error.start]
            if character not in self.besides:
                return character
            return self.lacking(text.replace(character, ""))
        if not self.beyond and text > "" and max(text) > _LAST_BASIC:
            return next(character for character in text if character > _LAST_BASIC)
        return None

    def octets(self, text: str) -> int | None:
        """How many bytes a text that it holds takes; None where only the database can say."""
        if self.codec is None:
            return None if self.octets_a_character is None else len(text) * self.octets_a_character
        if self.besides:
            text = text.translate({ord(character): "?" * (self.octets_a_character or 1) for character in self.besides})
        return len(text.encode(self.codec))


_BY_NAME = {
    "utf8mb4": CharacterSet("utf-8", beyond=True),
    "utf8mb3": CharacterSet("utf-8"),
    "utf8": CharacterSet("utf-8"),
    "ascii": CharacterSet("ascii"),
    "latin1": CharacterSet("cp1252", "\x81\x8d\x8f\x90\x9d"),
    "latin2": CharacterSet("iso8859_2"),
    "latin5": CharacterSet("iso8859_9"),
    "latin7": CharacterSet("iso8859_13"),
    "cp850": CharacterSet("cp850"),
    "cp852": CharacterSet("cp852"),
    "cp866": CharacterSet("cp866", "\xb2\u207f"),
    "cp1250": CharacterSet("cp1250"),
    "cp1251": CharacterSet("cp1251"),
    "cp1256": CharacterSet("cp1256"),
    "cp1257": CharacterSet("cp1257"),
    "koi8r": CharacterSet("koi8_r"),
    "koi8u": CharacterSet("koi8_u", "\u2022"),
    "greek": CharacterSet("iso8859_7", "\u02bc\u02bd"),
    "hebrew": CharacterSet("iso8859_8", "\u203e"),
    "hp8": CharacterSet("hp_roman8"),
    "macce": CharacterSet("mac_latin2"),
    "macroman": CharacterSet("mac_roman"),
    "tis620": CharacterSet("tis_620", "\ufffd"),
    "big5": CharacterSet("big5", "\u58bb\u5afa\u6052\u7881\u7ca7\u88cf\u92b9\ufffd", octets_a_character=2),
    "gb2312": CharacterSet("gb2312"),
    "gbk": CharacterSet("gbk"),
    "gb18030": CharacterSet("gb18030", beyond=True),
    "euckr": CharacterSet("cp949"),
    "sjis": CharacterSet("shift_jis"),
    "cp932": CharacterSet("cp932"),
    "ucs2": CharacterSet("utf-16-be"),
    "utf16": CharacterSet("utf-16-be", beyond=True),
    "utf16le": CharacterSet("utf-16-le", beyond=True),
    "utf32": CharacterSet("utf-32-be", beyond=True),
    **dict.fromkeys(("armscii8", "dec8", "geostd8", "keybcs2", "swe7"), CharacterSet(octets_a_character=1)),
}
_OTHER = CharacterSet()


def character_set(name: str | None) -> CharacterSet:
    """A column's character set by MySQL's name; one that is not known here is left to the database, but for U+FFFF."""
    return _BY_NAME.get(name or "", _OTHER)
