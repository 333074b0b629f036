"""Measured ratios against a stated peer, side by side in one run: this machine's figures mean nothing by themselves."""
