# fails: invlpg
# mistake: INVLPG takes another page
s/\.address = call->instruction\.address/.address = 0/
