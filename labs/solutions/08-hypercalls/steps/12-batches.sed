# step: batches
# expect: is: the kernel went on
# passes: two hundred entries
# passes: a thousand entries
# passes: the self-test
s/    if (error)$/    if (false)/
