"""The brain scale: features that fire together, and whether they also lie together."""
