"""Models that make designs: bridges, diffusions, autoencoders and sequence models, with their training."""
