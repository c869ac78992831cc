"""The process: runner, threads, status of one system; it imports nothing of demo or cli."""
