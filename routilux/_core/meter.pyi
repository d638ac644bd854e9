"""Meters of a routine in a worker; nothing of it is for Python."""
