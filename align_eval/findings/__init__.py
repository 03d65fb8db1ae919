"""What runs and curves say beyond a score: so far, whether a source's map is faithful to the model."""
