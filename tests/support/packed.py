"""What a page carries deflated, as its scripts see it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any


def packed_figures(html: str) -> dict[str, dict[str, Any]]:
    """Figures of a page by name: each its ``figure`` in plotly's JSON and its ``csv``."""
    packed = html.split('id="figures">')[1].split("</script>")[0]
    found: dict[str, dict[str, Any]] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found
