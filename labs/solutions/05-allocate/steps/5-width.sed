# step: width
# passes: accesses of two and four bytes
# expect: 1 bytes have gone to the console, expected 0
s/ && good(plan, i))/)/
