"""The memory: tables, migrations, repository, journal, stash, vault; it imports neither components nor above."""
