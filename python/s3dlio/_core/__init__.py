"""What the rest stands on: the C ABI and how calls wait, addresses, options, memory, element types, views, progress and results."""
