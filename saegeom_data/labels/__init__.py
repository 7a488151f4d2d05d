"""Labels of features from elsewhere, the text of tokens, and the unembedding, written into a store."""

from saegeom_data.labels.delphi_codes import add_codes
from saegeom_data.labels.formats import FORMATS
from saegeom_data.labels.label import Labelled, label_store
from saegeom_data.labels.unembedding import add_unembedding
from saegeom_data.labels.vocabulary import add_vocabulary

__all__ = ["FORMATS", "Labelled", "add_codes", "add_unembedding", "add_vocabulary", "label_store"]
