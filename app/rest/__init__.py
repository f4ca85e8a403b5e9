"""The wire over HTTP: each call hands a frame to the dispatch that sockets have too, and answers with frames."""
