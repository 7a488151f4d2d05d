"""The guide as a site: pages in one folder for Sphinx, and how Sphinx makes the site of them."""
