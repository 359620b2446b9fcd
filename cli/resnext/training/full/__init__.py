"""The whole network trained on one's own photos, on timm's parts. Imports torch and timm: itself imported late."""
