"""Labels of features from elsewhere, and the text of tokens, written into a store."""

from saegeom_data.labels.formats import FORMATS
from saegeom_data.labels.label import Labelled, label_store

__all__ = ["FORMATS", "Labelled", "label_store"]
