"""What stands in front of a line: who printed it, at which level, and through which container, collector or page."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from itertools import repeat
from operator import contains
from typing import Final

from vlm_operator.diagnosis.record import Record

NATIVE_HEAD: Final = re.compile(
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:\d\d-\d\d (?:\d\d:\d\d:\d\d(?:[.,]\d{1,6})? )?)?"
    r"\[?[\w./<>-]{1,160}:\d{1,6}\] ?"
)
_PROCESS: Final = re.compile(
    r"\((?P<name>[\w:.<>-]{1,80}(?: [\w=.-]{1,40}){0,4}? pid=\d{1,10})(?:, ip=[\w.:]{1,60})?\)\s?"
)
_BRACKETED: Final = (
    re.compile(r"\d{4}-\d\d-\d\dT[\d:.,]{8,24}(?:Z|[+-]\d\d:?\d\d)? (?:stdout|stderr) [FP] "),
    re.compile(r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z| ?[+-]\d\d:?\d\d| UTC)?\]?(?:\s|$)"),
    re.compile(r"\[?(?P<pod>pod/[\w./-]{1,300})\]\s?"),
    re.compile(r"\[(?P<rank>rank\d{1,5})\]:\s?"),
    re.compile(r"\[(?P<role>(?:Worker|EngineCore|APIServer)\w{0,40})\]\s"),
)
_NAMED: Final = (
    re.compile(r"(?P<service>[A-Za-z][\w.-]{0,100})\s{0,40}\| "),
    re.compile(
        r"[A-Z][a-z]{2}\s{1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,9})? [\w.-]{1,100} [\w./@-]{1,100}(?:\[\d{1,10}\])?:\s?"
    ),
    re.compile(r"[\w.-]{1,100} [\w./@-]{1,100}\[\d{1,10}\]:\s"),
    re.compile(r"[A-Z]{4,9} \d{4}-\d\d-\d\dT[\d:.]{8,24}Z (?:\[resource\.labels\.\w{1,60}: [^\]\s]{1,200}\] )*"),
)
_LABELS: Final = re.compile(r'\{(?:[\w.]{1,60}="[^"\n]{0,200}"(?:, )?){0,40}\} ')
_BOX: Final = "│"
_RAY_SUFFIX: Final = re.compile(r"\s?\[repeated \d{1,9}x across cluster\].{0,200}$")
_OTHER_LEVEL: Final = re.compile(
    r"(?:[^\n]{0,100}?[\s|:\-\[(\"'])?(?P<level>TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)(?=[\]\s:|,\-\"')])[\]\s:|,\-\"')]*"
)
_WEB_SERVER: Final = re.compile(r"(?<!\S)(?P<level>INFO|WARNING|ERROR|CRITICAL): {1,8}")
_LEVEL_WORDS: Final = ("INFO", "ERROR", "WARNING", "DEBUG", "CRITICAL", "FATAL", "TRACE")
_GLOG: Final = frozenset({"[I", "[W", "I0", "W0", "I1", "W1"})
_WARNING: Final = re.compile(r"(?:\S{1,300}:\d{1,6}: )?\w{0,60}Warning: |\[?[IW]\d{4} \d\d:\d\d:\d\d\.\d+ ")
_EXCEPTION_HEAD: Final = re.compile(
    r"[A-Za-z_][\w.]{0,200}(?:Error|Exception|Exit|Interrupt)(?:\(\w{1,100}\))?(?:: |$)"
)
_QUOTATION: Final = re.compile(r"(?:> ?){1,8}")
_EMPHASIS: Final = r"(?:\*\*|`{1,3}|</?(?:pre|code|p|li|b|br ?/?)>)"
_MARKUP: Final = re.compile(rf"(?:(?:[-*+]|\d{{1,3}}\.) {{1,3}}|#{{1,6}} )?{_EMPHASIS}*(?=[\w(\[])")
_MARKUP_ENDS: Final = re.compile(rf"{_EMPHASIS}+$")
_ENTITIES: Final = ("&quot;", "&#39;", "&#x27;", "&lt;", "&gt;", "&amp;")


def without_markup(text: str) -> str:
    """``text`` without what Markdown or HTML put around it: quotation marks, bullets, code and bold, entities.

    >>> without_markup("> > ValueError: odd"), without_markup("- `ValueError: odd`"), without_markup("&quot;x&quot;")
    ('ValueError: odd', 'ValueError: odd', '"x"')
    >>> without_markup("> ValueError: odd  "), without_markup("*args"), without_markup("<frozen runpy>")
    ('ValueError: odd  ', '*args', '<frozen runpy>')
    """
    if "&" in text and any(map(contains, repeat(text), _ENTITIES)):
        text = html.unescape(text)
    if text[:1] == ">":
        text = _QUOTATION.sub("", text, count=1)
    if text[:1] in "`*-#<+123456789":
        head = _MARKUP.match(text)
        if head is not None and head.end() > 0:
            text = _MARKUP_ENDS.sub("", text[head.end() :])
    return text


def framed(text: str) -> str:
    """``text`` without the frame of a terminal that it was copied out of."""
    return text[len(_BOX) :].rstrip(_BOX).removeprefix(" ") if text.startswith(_BOX) else text


def strip(text: str) -> tuple[str, str]:
    """Who printed the line, and the line without prefixes."""
    names: list[str] = []
    if text[:1] in " \t" and _PROCESS.match(text.lstrip(" \t")) is not None:
        text = text.lstrip(" \t")
    for _ in range(6):
        match = _prefix(text)
        if match is None:
            break
        names += [value for value in match.groupdict().values() if value]
        text = text[match.end() :]
    return "/".join(names), text


def _prefix(text: str) -> re.Match[str] | None:
    """The first prefix of ``text``, by what it begins with."""
    first = text[:1]
    if first == "(":
        return _PROCESS.match(text)
    if first == "{" and text[1:2] != '"':
        return _LABELS.match(text)
    if first == "[" or first.isdigit():
        return next(filter(None, (pattern.match(text) for pattern in _BRACKETED)), None)
    if first.isalpha() and ("| " in text[:160] or ": " in text[:400]):
        return next(filter(None, (pattern.match(text) for pattern in _NAMED)), None)
    return None


@lru_cache(maxsize=256)
def identity(prefix: str) -> str:
    """Who printed a record, from what stands before it."""
    return strip(prefix)[0]


def without_suffix(text: str) -> str:
    """``text`` without what Ray adds to a line that several of its workers printed."""
    return _RAY_SUFFIX.sub("", text) if "across cluster]" in text else text


def plain_record(number: int, process: str, text: str, terminated: bool) -> Record:
    """A record of text without vLLM's own head: other loggers' levels, warnings, or no level at all."""
    stripped = text.strip()
    head = text[:160]
    if not any(map(contains, repeat(head), _LEVEL_WORDS)) and "Warning" not in text[:400] and stripped[:2] not in _GLOG:
        return Record(number, process, None, text, terminated)
    if _EXCEPTION_HEAD.match(stripped) is None and not stripped.startswith(('File "', "Traceback")):
        if _WARNING.match(stripped) is not None:
            return Record(number, process, "WARNING", text, terminated)
        level = _OTHER_LEVEL.match(text)
        if level is not None:
            rest = text[level.end() :]
            inner = _WEB_SERVER.search(rest, 0, 80)  # what runs the server put its own level before the server's
            if inner is not None:
                return Record(number, process, inner["level"], rest[inner.end() :], terminated)
            return Record(number, process, level["level"], rest, terminated)
    return Record(number, process, None, text, terminated)
