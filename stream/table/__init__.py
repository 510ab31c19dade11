"""The table that every output writes: `columns` (their names, types and meaning), `provenance` (the JSON beside it)."""
