"""What a worker is made of; nothing of it is visible from Python."""
