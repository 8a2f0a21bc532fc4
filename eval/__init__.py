"""Numbers from vectors: what a shared space can do, with intervals and chance."""
