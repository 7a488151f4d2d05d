"""Word pairs of a build: the files they come from, and the activations of their words."""
