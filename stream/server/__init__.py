"""The websocket and HTTP server.

In the order in which a client meets it:

    config, limits    the settings and every limit of a server, as objects
    tls, listener     the certificate; connections within their quota
    access            tokens, origins, and what each token allows
    request_filter    answers a request with a page of `pages` (page_responder) or a refusal, or lets it be a websocket
    clients           the connected clients
    router            text messages of clients; an `extension` takes those with its prefix
    uploads           pictures of clients for `--source browser`; pictures: small ones for pages
    server            all of it on one event loop, which `outbox` brings messages of other threads; clock: both clocks
"""
