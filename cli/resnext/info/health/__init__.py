"""`info --check`: is this installation sound?"""
