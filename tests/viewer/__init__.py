"""What a radiologist sees of the results: OHIF over Orthanc, compared with the findings that were written."""
