"""HTTP/1.1 as the hot path needs it: connections that are kept, answers that are counted. No plugin by itself."""
