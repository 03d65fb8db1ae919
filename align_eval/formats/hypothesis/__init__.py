"""Word times that other systems wrote, one module per format."""
