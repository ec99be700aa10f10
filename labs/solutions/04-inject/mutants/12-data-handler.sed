# fails: a handler behind a bad selector
# mistake: a handler in a data segment
s/ || !(code\[1\] & CODE)//
