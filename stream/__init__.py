"""Frames in from cameras and files, websocket messages out: sources, mailbox, pipeline, messages, broadcast."""
