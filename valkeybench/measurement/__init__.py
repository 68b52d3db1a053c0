"""What was seen: phases, histograms and counts that add up."""
