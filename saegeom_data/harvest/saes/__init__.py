"""SAEs of a build: trained on activations in processes of their own, or ready made; and the codes of both."""
