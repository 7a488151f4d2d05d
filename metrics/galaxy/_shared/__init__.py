"""What metrics of the galaxy scale share: surrogates of directions, and their figures."""
