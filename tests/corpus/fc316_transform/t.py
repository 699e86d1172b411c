def f(*sources):
    return sources[0]
