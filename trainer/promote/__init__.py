"""Local adaptation as a loop: gather, adapt, compare with what runs, watch in the shadow, promote, roll back."""
