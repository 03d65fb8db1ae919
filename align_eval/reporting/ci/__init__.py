"""Reports for continuous integration: Markdown, JUnit XML and benchmark JSON."""
