"""What a command reads and writes: its `config_file`, its `outputs`, the `passphrase` and place of support sets."""
