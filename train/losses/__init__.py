"""The losses: `objective` (of single pictures and pairs), `batch_losses` (those of one batch), and `label_smoothing`,
the softer targets that training computes from the network itself.
"""
