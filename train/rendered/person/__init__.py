"""A rendered person: head, hair, expressions, motion without affect, and the parameters drawn from a person's id."""
