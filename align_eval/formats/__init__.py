"""Readers and writers of every file format, each format defined in one place."""
