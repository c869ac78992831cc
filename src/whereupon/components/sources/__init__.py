"""Where people's data is read from: files and read-only ODBC; no source knows another component."""
