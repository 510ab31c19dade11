"""The losses of a batch, and the softer targets that training computes from the network itself."""
