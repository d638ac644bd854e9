"""How many pumps short tasks are worth; nothing of it is visible from Python."""
