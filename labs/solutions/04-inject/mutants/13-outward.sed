# fails: a handler behind a bad selector
# mistake: a handler of a less privileged ring
s/dpl(code\[1\]) > guest->cpl)/false)/
