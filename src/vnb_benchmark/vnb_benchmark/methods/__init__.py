"""Benchmark methods: whatever closes the hand, behind one interface and by name."""
