"""What the studio keeps: `folder` says where, `participants` and `sessions` read it for the page."""
