"""What a department may know of: `scope` is that, and every filter of its readers within it."""
