"""
Pictures: inspected, fitted, their colours, metadata and end markers.
"""
