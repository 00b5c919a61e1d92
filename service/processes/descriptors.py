"""How many files and sockets a process may have open."""

import resource


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may allow itself.

    Returns:
        How many that are.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20
