"""The language model of a build: the sites it can be read at, and the activations that pass there."""
