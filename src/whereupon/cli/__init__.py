"""The words: the command line; only `__main__` may import it."""
