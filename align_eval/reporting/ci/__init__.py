"""Reports that CI systems read: Markdown, JUnit, benchmark JSON."""
