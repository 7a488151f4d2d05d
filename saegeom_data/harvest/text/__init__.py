"""Text of a build: documents from files, datasets and generators, and the sequences of tokens they are cut into."""
