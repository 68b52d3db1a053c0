"""The command line: thin; it parses, calls the workflow and renders."""
