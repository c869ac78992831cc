"""The clock: scheduled work, fills, loads, imports; it imports nothing of service, demo or cli."""
