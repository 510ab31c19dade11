"""Many recordings: the manifest, the ledger of results, and the engines that work through them."""
