"""Beside and behind what others have written: real instrumentations, a real collector, a real store of traces. Skipped where absent."""
