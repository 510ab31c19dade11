"""The connected clients: their quotas, subscriptions and mailboxes, and what they send."""
