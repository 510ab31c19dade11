"""The camera page of `--source browser`: HTML and scripts that send a browser's camera over the websocket."""
