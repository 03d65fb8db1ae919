"""What people read: tables in the terminal, figures, an HTML page, files for CI."""
