"""The text of a store: blocks cut from it, the tokens of each, and positions of tokens."""
