"""The atom scale: parallelograms of word pairs and of features."""
