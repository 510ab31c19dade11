"""The connected clients, in the order of a connection.

`connection` keeps one connection within its limits, which `quotas` count; `websocket` follows it from the handshake to
its end; `message_reader` reads its messages; `client` has its subscription and mailbox; `client_hub` gives every
message to all of them; `recent` is what late ones may ask for.
"""
