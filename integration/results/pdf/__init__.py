"""The findings as a page to read, for systems that take documents and no DICOM reports."""

from integration.results.pdf.document import build_pdf

__all__ = ["build_pdf"]
