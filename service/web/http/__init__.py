"""HTTP itself: connections, bodies, limits, one record a request."""
