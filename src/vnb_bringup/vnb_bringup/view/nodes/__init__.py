"""What is seen of the graph, as standard messages."""
