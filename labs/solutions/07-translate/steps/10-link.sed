# step: links
# passes: loops that are linked
# expect: ECX is 0x..., expected 0x...
s/\.flushed = flushed};/};/
/\.unlink = unlink_unit,/d
