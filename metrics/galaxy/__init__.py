"""The galaxy scale: the shape of the whole cloud of features."""
