"""The show: the worked example with its own mail catcher and ESP; it imports nothing of cli."""
