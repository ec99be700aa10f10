# fails: an update that is refused
# mistake: the result taken for a count
s/    if (error)$/    if (error > 0)/
