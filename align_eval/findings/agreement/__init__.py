"""Agreement of cross-attention with saliency maps."""
