# file: dispatcher/outcome.c
# property: equivalence
# mistake: an emulated instruction takes no time
s|^    if (!d->cpu->host_clock)$|    if (d->cpu->host_clock)|
