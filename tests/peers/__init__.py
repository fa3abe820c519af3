"""Real peers: Orthanc, DCMTK's programs, an independent validator, and a node as its users start it."""
