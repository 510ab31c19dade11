"""Files: `reading` those that others wrote, `writing` whole files or none, `encryption` with a passphrase,
`secret_files` that hold a token or password.
"""
