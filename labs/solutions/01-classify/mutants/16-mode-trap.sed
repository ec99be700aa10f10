# fails: mode sensitive
# mistake: a trap in s alone is no difference
/if (in_s == TRAPS)/{
n
s/return true/continue/
}
