"""A training run: `config` and `presets`, the `loop`, in several processes `distributed`; `curves` show it."""
