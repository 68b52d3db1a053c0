"""What will be done, as values: trials, arrivals and commands, without a clock or a socket."""
