"""Tags in XMP sidecars, beside the photos: added by cutting bytes in, and taken out again.

Why expat and byte positions: what is not ours must stay byte for byte, and every library that writes XMP lays the
whole packet out anew (lxml too), or cuts the file off when the disk is full (exiv2, pyexiv2), or starts Perl
(exiftool). What can't be edited so is refused, and said.
"""
