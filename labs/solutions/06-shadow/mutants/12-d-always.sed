# fails: a read
# mistake: D is set by reads, too
s/^    if (write)$/    if (true)/
