"""Text fit to be shown and recorded: without credentials, and without signs that control a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

HIDDEN = "***"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|`]+(?<!\\)")
# User and password end at the last @ of the host. A password may hold a slash, where a port is digits alone.
_USER = re.compile(r"(?<=://)(?:[^\s/?#]*|[^\s/?#@:]+:(?!\d+(?:/|$))[^\s@]*)@")
_QUERY = re.compile(r"(?<=[?&#;])([^=&#;\s]+)=([^&#;\s]*)")
_SECRET_KEY = re.compile(
    r"(?:x-(?:amz|goog|oss|ms)-|aws).*|.*(?:sig|signature|token|secret|password|passwd|pwd|passphrase|credential|auth|"
    r"api-?_?key|access-?_?key|jwt|hmac|session|key-?_?id|bearer).*|key|pass|user|username",
    re.IGNORECASE,
)
# Keys of a signed query that say nothing by themselves, such as the time at which it ends.
_LONG_KEY = re.compile(r"(?:version-?id|id|rev|revision|commit|ref|sha256|root)", re.IGNORECASE)
_LONGEST_PLAIN = 32
# Keys and tokens that are known by their form wherever they stand.
_TOKEN = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    # The word after one of these is a token only if it looks like no word of prose: with a digit or a sign of base64,
    # with a capital inside, or very long.
    r"|(?:(?<=Bearer )|(?<=Basic ))(?=[\w.~+/=-]{8})(?=[\w.~-]*[\d+/=]|[\w.~-]*[a-z][A-Z]|[\w.~-]{24})[\w.~+/=-]+"
    # What ends a string of JSON is no part of a token.
    r'|(?<=Signature=)[^\s,&"\\]+|(?<=Credential=)[^\s,&"\\]+'
)
# In a header it is one whatever it looks like.
_HEADER = re.compile(r'(authorization\W{1,6}(?:bearer|basic|token) +)[^\s"\\]+', re.IGNORECASE)
# All controls but tab and line feed; signs that turn the direction of text or hide; ends of lines of Unicode.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def without_secrets(text: str, *addresses: str) -> str:
    """Return text in which users, passwords, signed queries and tokens are replaced by ``***``.

    Parameters
    ----------
    text
        An address, or text that may hold some.
    *addresses
        Addresses whose secrets are replaced wherever they stand in the text, not only in an address.

    Examples
    --------
    >>> without_secrets("https://me:word@example.org/a.zarr?X-Amz-Signature=0a1b&versionId=7")
    'https://***@example.org/a.zarr?X-Amz-Signature=***&versionId=***'
    >>> without_secrets("no bucket 'me:word@b'", "s3://me:word@b/a.zarr")
    "no bucket '***@b'"
    >>> without_secrets("hf://datasets/me/set@v1, https://openreview.net/forum?id=F76bwRSLeK")
    'hf://datasets/me/set@v1, https://openreview.net/forum?id=F76bwRSLeK'
    """
    found = text
    for secret in sorted({secret for address in addresses for secret in _secrets(address)}, key=len, reverse=True):
        found = found.replace(secret, HIDDEN)
    # Most text holds neither, and is not looked through sign by sign.
    if "://" in found:
        found = _URL.sub(lambda url: _without(url[0]), found)
    return _TOKEN.sub(HIDDEN, _HEADER.sub(rf"\1{HIDDEN}", found))


def printable(text: str) -> str:
    r"""Return text in which signs that control a terminal are written out, as Python writes them.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _CONTROL.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def on_one_line(text: str) -> str:
    """Return text on one line, without secrets and without signs that control a terminal."""
    return " ".join(printable(without_secrets(text)).split())


def as_markdown_text(text: str) -> str:
    r"""Return text as Markdown that shows it on one line as it is: no links, images, headings, HTML or table cells.

    Examples
    --------
    >>> print(as_markdown_text("layer_3 <script>\n# [x](y) | z"))
    layer_3 &lt;script> # \[x\](y) \| z
    """
    line = on_one_line(text)
    line = re.sub(r"[`*|\[\]~\\]|(?<!\w)_|_(?!\w)", r"\\\g<0>", line)
    # What begins a heading, a list or a quotation does so at the start of a line only.
    line = re.sub(r"^(\d*)(>|[#+=.)-](?=[#+=-]|\s|$))", r"\1\\\2", line)
    return line.replace("&", "&amp;").replace("<", "&lt;")


def _without(url: str) -> str:
    """One address without its secrets."""
    url = _USER.sub(f"{HIDDEN}@", url)
    # A signed query says in all of its parts who may read until when.
    signed = any(_is_secret(*part.groups()) for part in _QUERY.finditer(url))
    return _QUERY.sub(lambda part: f"{part[1]}={HIDDEN}", url) if signed else url


def _is_secret(key: str, value: str) -> bool:
    """Whether a part of a query is one that only its owner should have."""
    long = len(value) >= _LONGEST_PLAIN and _LONG_KEY.fullmatch(key) is None
    return bool(value) and (long or _SECRET_KEY.fullmatch(unquote(key)) is not None)


def _secrets(address: str) -> Iterator[str]:
    """Secrets of an address, as they stand in it and as they are meant."""
    for user in _USER.findall(address):
        yield from _both(user.removesuffix("@"))
        password = user.removesuffix("@").partition(":")[2]
        if password:
            yield from _both(password)
    for key, value in _QUERY.findall(address):
        if _is_secret(key, value):
            yield from _both(value)


def _both(secret: str) -> Iterator[str]:
    # A secret of one or two signs would be found in every other word.
    yield from (form for form in (secret, unquote(secret)) if len(form) > 2)
