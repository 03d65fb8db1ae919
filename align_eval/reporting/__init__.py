"""Reports for people: tables in the terminal, figures, an HTML page, files for CI."""
