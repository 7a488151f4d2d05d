"""The guide: pages written by hand beside this file, and pages made from declarations, models and commands."""
