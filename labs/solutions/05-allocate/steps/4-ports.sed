# step: ports
# passes: a port of one's own
# expect: EAX is 0x..., expected 0x...
s/ && good(plan, i))/)/
s/i < access->size/i < 1/
