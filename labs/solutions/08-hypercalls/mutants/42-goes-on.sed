# fails: an update that is refused
# mistake: errors are not looked at
s/    if (error)$/    if (false)/
