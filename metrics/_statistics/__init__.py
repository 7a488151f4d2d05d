"""Statistics on numpy arrays that several metrics need."""
