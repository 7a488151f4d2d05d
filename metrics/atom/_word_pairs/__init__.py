"""What metrics of word pairs share: inputs, views, splits, scores."""
