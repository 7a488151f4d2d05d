"""What a metric of one's own, and a spec, begin as."""

from saegeom_data.templates.package import new_package
from saegeom_data.templates.spec import new_spec

__all__ = ["new_package", "new_spec"]
