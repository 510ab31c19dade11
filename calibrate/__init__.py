"""From labelled frames of a person to a support set: prompts, labels, quality gates, leave-one-out report."""
