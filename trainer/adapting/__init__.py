"""Adapting one task to a given encoder: how it is learned, calibrated, packed and measured."""
