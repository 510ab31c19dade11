"""A NATS bus: its address and connection, the subjects, what JetStream keeps, how streams are published.

address -> connection -> subjects -> history -> publisher. All but address and subjects need the extra `[nats]`.
"""
