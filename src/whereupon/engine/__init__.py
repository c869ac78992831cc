"""The line: the way of an event, from a batch to its outcomes; it imports neither control nor jobs nor above."""
