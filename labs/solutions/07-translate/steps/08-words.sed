# step: words
# passes: reading segment registers
# passes: control registers
# passes: loading segment registers
# expect: ... units were made, expected at most ...
s/\.flushed = flushed};/};/
/\.unlink = unlink_unit,/d
/\.link = link_exit,/d
/\.stale = stale,/d
