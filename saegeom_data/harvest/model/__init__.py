"""Models of a build, and their activations."""
