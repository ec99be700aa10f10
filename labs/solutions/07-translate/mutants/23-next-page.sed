# fails: code goes on in the next page
# mistake: a unit goes on in the next page
s/ \&\& at \/ PAGE == code->address \/ PAGE);/);/
