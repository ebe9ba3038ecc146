"""Guess the code page of text that is not Unicode.

chardet is right for samples of some rows, but a name or two fit many code pages. So the spelling comes first:
a page is likely if the words have only letters of one language. Among pages with equal shares of such words,
chardet's confidence decides.
"""

import re
from collections import Counter

# chardet knows 70 more pages, but a short sample always fits some rare one.
PAGES = frozenset(
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp437 cp850 cp852 cp866 koi8-r koi8-u"
    " iso8859-2 iso8859-5 iso8859-7 iso8859-15 mac-roman mac-cyrillic"
    " cp932 euc_jis_2004 gb18030 big5hkscs cp949".split()
)
MOST_COMMON = "cp1252"
_PREFERENCE = 1.5  # factor of the most common page's confidence

_SPELT = 1 << 12  # bytes whose spelling is checked

# Lower-case letters beyond ASCII of languages with Latin letters, and of others.
_LATIN = (
    "àâæçèéêëîïôœùûüÿ", "äöüß", "áéíñóúüºª", "àáâãçéêíóôõúüºª", "àèéìíîòóùú", "åäöæøéü", "äöõüšž",
    "ëéïóöüèê", "áðéíóúýþæö", "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž",
    "ăâîşţ", "çë", "çğıöşüâîû\u0307", "ąčęėįšųūž", "āčēģīķļņšūž",
)  # fmt: skip
_OTHERS = (
    "абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "абвгдежзіийклмнопрстуўфхцчшьыэюяё", "абвгдђежзијклљмнњопрстћуфхцчџш",
    "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώϊϋΐΰς",
    "אבגדהוזחטיךכלםמןנסעףפץצקרשת", "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوىي",
    "\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef",
)  # fmt: skip
_SIGNS = "€№«»“”„‘’–—°§…®™×·،\u00a0"
_LANGUAGES = [
    *(re.compile(f"(?=.{{1,2}}$|.*[!-~])[!-~{_SIGNS}{letters}]+") for letters in _LATIN),
    *(re.compile(f"[!-`{{-~{_SIGNS}{letters}]{{2,}}") for letters in _OTHERS),
]
_WORD = re.compile(f'[^\\s,;|"()/&]*[^\\s!-~{_SIGNS}][^\\s,;|"()/&]*')  # has a letter beyond ASCII


def guess_page(sample: bytes) -> str:
    """Return the code page of ``sample``, lines with bytes beyond ASCII."""
    # Imported here, since it takes 40 MiB that most processes don't need.
    import chardet  # noqa: PLC0415

    found = chardet.detect_all(sample, ignore_threshold=True, compat_names=False, include_encodings=PAGES)

    def likelihood(page: str, confidence: float) -> tuple[float, float]:
        share = _spelt_share(sample[:_SPELT].decode(page, "replace"))
        return round(share, 1), confidence * (_PREFERENCE if page == MOST_COMMON else 1)

    likelihoods = {one["encoding"]: one["confidence"] for one in found if one["encoding"]}
    best = max(likelihoods, key=lambda page: likelihood(page, likelihoods[page]), default=MOST_COMMON)
    same = sample.decode(best, "replace") == sample.decode(MOST_COMMON, "replace")
    return MOST_COMMON if same else best


def _spelt_share(text: str) -> float:
    """Return the share of the words with letters beyond ASCII that are spelt as in one language."""
    words = Counter(_WORD.findall(text.lower()))
    spelt = (
        sum(count for word, count in words.items() if language.fullmatch(word)) for language in _LANGUAGES
    )
    return max(spelt) / (words.total() or 1)
