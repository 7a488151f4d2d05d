"""Results of runs: opened, read group by group, summarised, compared, and followed over depth."""
