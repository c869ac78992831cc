"""The machine: paths, atomic files, locks, logs, processes, each platform's ways; it imports nothing above model."""
