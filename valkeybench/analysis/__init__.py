"""What runs mean: pure functions from stored cases to warnings, sizes and costs."""
