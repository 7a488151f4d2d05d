"""From a dataset and a run to results: checked, planned, computed."""
