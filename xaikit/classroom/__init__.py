"""For instructors: building, grading, serving, checking the machine."""
