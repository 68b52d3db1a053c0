"""What the user asks for: records, the table of levers, and the reader that finds every problem."""
