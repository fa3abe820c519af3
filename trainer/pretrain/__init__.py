"""Pretraining of an encoder: `pictures` and `views` say what is shown, `sampling` how often, `batches` in what views;
`masking` hides patches, `network` and `losses` learn from them, `training` is the loop, `diary` tells, `packaging`
writes the encoder package.
"""
