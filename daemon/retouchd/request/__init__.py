"""
What may be asked: the sidecar's model, limits, validation, the multipart form.
"""
