# step: unlinking
# passes: a unit dies that exits lead to
# passes: the code of a page is exchanged
# expect: Module interpreter.translator misbehaved: it cut exit number ..., which there is not
s/\.flushed = flushed};/};/
