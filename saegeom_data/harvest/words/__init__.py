"""Word pairs of a build."""
