"""What people share: published stores, benchmarks that others can check, and catalogues of datasets."""
