"""How many items enter by one call; nothing of it is called from Python."""
