# step: the reference
# passes: Theorem 1
