"""Orthanc by its own REST interface."""

from integration.orthanc.sending import OrthancServer

__all__ = ["OrthancServer"]
