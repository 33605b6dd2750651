"""The contenders, each a module with NAME, VERSION and OPERATIONS (see contest.Contender); ``ours`` is one of them."""
