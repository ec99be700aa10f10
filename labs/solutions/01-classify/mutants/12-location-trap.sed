# fails: location sensitive
# mistake: a trap at another R is no difference
/if (here != there)/{
n
s/return true/continue/
}
