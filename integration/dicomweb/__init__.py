"""DICOMweb as its user."""

from integration.dicomweb.retrieve import DicomwebError, DicomwebPacs

__all__ = ["DicomwebError", "DicomwebPacs"]
