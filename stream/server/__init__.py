"""The websocket and HTTP server.

In the order in which a client meets it:

    config, limits    the settings and every limit of a server, as objects
    http              the port: certificate, quota of connections, answers to requests with pages or refusals
    access            tokens, origins, and what each token allows
    clients           the connected clients
    router            text messages of clients; an `extension` takes those with its prefix
    uploads           pictures of clients for `--source browser`; pictures: small ones for pages
    server            all of it on one event loop (loop_thread: one of its own); `outbox` brings other threads' messages
    clock             the monotonic and the wall clock
"""
