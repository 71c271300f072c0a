"""
The listener for programs and browsers: health, metrics, the front door `POST /edit`, what a page asks for.

It runs in a thread and a loop of its own: whatever is asked of it holds nothing up that a job needs.
"""
