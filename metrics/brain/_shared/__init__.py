"""What metrics of the brain scale share: packed occurrence, affinities, lobes."""
