"""The report as one HTML file that needs nothing else: template, style and script stand beside this module."""
