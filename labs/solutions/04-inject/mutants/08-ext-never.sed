# fails: a gate that is not present
# mistake: EXT is never set
s/code |= EXT;/code |= 0;/
