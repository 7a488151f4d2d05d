"""SAEs of a build: trained or ready, and their codes."""
