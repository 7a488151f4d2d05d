"""stub"""
def panels(groups): return []
