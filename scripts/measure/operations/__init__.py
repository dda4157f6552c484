"""The operations that are timed, found by their place; `catalogue` says what is known of each."""
