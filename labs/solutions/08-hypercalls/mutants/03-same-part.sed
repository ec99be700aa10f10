# fails: a long text
# mistake: the same part again
/^    *bytes += done;$/d
