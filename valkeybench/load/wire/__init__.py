"""The `wire` driver: RESP over sockets of our own, with no client library between."""
