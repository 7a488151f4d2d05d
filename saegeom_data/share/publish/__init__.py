"""Publishing: what is derived from a store, and how it gets to a folder, a bucket, the Hub or an archive."""

from __future__ import annotations

from saegeom_data.share.publish.sending import Published, publish

__all__ = ["Published", "publish"]
