"""What `resnext info` tells, a room for each question. A report is plain data, the same for --json and for people.

Every room has `report(…)`, which gives a dict that JSON can carry, and `show(report, page)`, which lays it out.
"""
