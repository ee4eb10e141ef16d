def reduce(obj): return None
