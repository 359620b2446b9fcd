"""The whole network trained on one's own photos, on timm's parts.

`settings` and `recipe` know nothing of torch; the other rooms import it and timm, and are imported late.
"""
