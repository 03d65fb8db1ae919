"""Readers of word times that other systems wrote, one module per format or family of formats."""
