"""One file a method: the authors' order of work against ours on the same data, as `measure() -> {authors_seconds, our_seconds, what}`."""
