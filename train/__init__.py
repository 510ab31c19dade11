"""Everything that makes the networks: data, rendered people, pairs, losses, the loop, export. The only part that needs torch."""
