"""The server's port: from a connection to the answer of an HTTP request.

The certificate (`tls`) and the `listener` with its quota of connections; `request_filter` refuses a request, lets it be
a websocket, or answers it with one of the `pages` (`page_responder`).
"""
