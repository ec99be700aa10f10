# step: what is written
# passes: data beside code
# passes: writes to the first and last byte of a unit
# expect: the VMM has looked for a unit ... times, expected at most ...
s/\.flushed = flushed};/};/
/\.unlink = unlink_unit,/d
/\.link = link_exit,/d
