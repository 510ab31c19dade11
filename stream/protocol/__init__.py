"""The messages of `mtclar.v1`: what the server sends and what clients may send, with their schema.

`messages` with `face` and `events` are encoded by the server and decoded by `server_messages` in clients; `relayed` are
those that another server has encoded. `client_messages` parses what clients send; `patterns` are stream names with `*`.
"""
