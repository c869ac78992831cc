"""The wire: status and commands between processes of one computer; it knows neither engine nor jobs."""
