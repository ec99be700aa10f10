# fails: rights are taken away
# mistake: U\/S stays
s/change->rights \& now;/change->rights \& (now | US);/
