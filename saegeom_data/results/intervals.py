"""The quantile that normal intervals of 95 percent are made with, for metrics and for fits of their results."""

NORMAL_QUANTILE = 1.959963984540054
# As some metrics round it: their numbers are published, and the last digits of their intervals hold it.
ROUNDED_NORMAL_QUANTILE = 1.959964
