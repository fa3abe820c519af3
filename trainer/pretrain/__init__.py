"""Pretraining of an encoder.

`reading` finds `pictures`, `sampling` says how often each is shown, `batches` in what views; `masking` hides patches,
`network` and `losses` learn from what is left, `training` is the loop. `judging` and `diary` tell how it goes,
`packaging` writes the encoder package.
"""
