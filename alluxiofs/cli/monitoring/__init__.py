"""What a process shows of itself at ``/metrics``, for people in front of a terminal."""
