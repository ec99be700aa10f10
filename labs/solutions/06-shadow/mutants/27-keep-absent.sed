# fails: a page is taken away
# mistake: an entry that is not present any more stays
s/change->rights \& now;/change->rights \& (now | P);/
