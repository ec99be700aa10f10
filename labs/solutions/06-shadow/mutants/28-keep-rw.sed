# fails: rights are taken away
# mistake: R\/W stays
s/change->rights \& now;/change->rights \& (now | RW);/
