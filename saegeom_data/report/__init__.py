"""Turn the results of a run into sentences and into one self-contained HTML file.

Everything heavy (plotly, jinja2) is imported on first use, so that importing this package costs nothing.
"""
